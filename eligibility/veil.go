package eligibility

// veil keeps what is known of people from fmt, which shows unexported fields of other
// types' structs without asking their methods. It never follows a pointer to a
// pointer; a pointer alone it follows to say that a verb does not suit it.
type veil[T any] struct{ to **T }

func veiled[T any](v *T) veil[T] { return veil[T]{&v} }

// get returns nil from a zero veil.
func (v veil[T]) get() *T {
	if v.to == nil {
		return nil
	}
	return *v.to
}
