package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/calendar"
)

// This file turns what the engine works with into rows and back. The order of
// values is that of the columns in Tables.

var errTrail = errors.New("program: a stored trail cannot be read")

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func moment(v any) time.Time {
	if n, ok := v.(int64); ok {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}

func idValue(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return append([]byte(nil), id[:]...)
}

func idOf(v any) uuid.UUID {
	var id uuid.UUID
	b, _ := v.([]byte)
	copy(id[:], b)
	return id
}

func textValue(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func bytesValue(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func bytesOf(v any) []byte {
	b, _ := v.([]byte)
	return b
}

func intOf(v any) int64 {
	n, _ := v.(int64)
	return n
}

// dayNumber counts days since 1970 for storing a civil date.
func dayNumber(d calendar.Date) int64 { return int64(d.DaysSince(calendar.Of(1970, time.January, 1))) }

func dayOf(n int64) calendar.Date { return calendar.Of(1970, time.January, 1).AddDays(int(n)) }

// changedRow is the row to write for values that were read as before: only what
// differs is written.
func changedRow(table TableID, values, before []any, version int64) Row {
	row := Row{Table: table, Values: values, Version: version}
	if before == nil {
		return row
	}
	for i := range values {
		if !same(values[i], before[i]) {
			row.Changed |= 1 << i
		}
	}
	return row
}

func same(a, b any) bool {
	x, bytesA := a.([]byte)
	y, bytesB := b.([]byte)
	if bytesA || bytesB {
		return bytesA && bytesB && bytes.Equal(x, y)
	}
	return a == b
}

func (a *Application) row(c trailCodecs) Row {
	var pool, groups any
	if a.Placed {
		pool, groups = a.Placement.Pool, strings.Join(a.Placement.Groups, ",")
	}
	due, paused := micros(a.Due), any(nil)
	if !a.Paused.IsZero() { // a deadline that stands still is in no scan for the clock
		due, paused = nil, due
	}
	return changedRow(TableApplications, []any{
		a.Wave, idValue(a.Applicant), string(a.State), int64(a.Edition), micros(a.Entered), due,
		append([]byte(nil), a.Receipt[:]...), idValue(a.Household), pool, groups, int64(a.Placement.Tier),
		a.held, bytesValue(a.commitment), textValue(a.Seat), textValue(a.SeatState), bytesValue(a.decision), c.encode(a.Trail),
		paused, micros(a.Paused), int64(a.Placement.Number),
	}, a.stored, a.version)
}

// applicationOf reads an application. The error is an *EditionError if its trail is
// of a version that the program does not have.
func applicationOf(row Row, c trailCodecs) (Application, error) {
	a := applicationHead(row)
	if _, known := c[a.Edition]; !known {
		return a, &EditionError{Edition: a.Edition, Rule: "unknown"}
	}
	var err error
	a.Trail, err = c.decode(bytesOf(row.Values[16]))
	if err == nil && (len(a.Trail) == 0 || a.Trail[len(a.Trail)-1].Edition != a.Edition) {
		err = errTrail
	}
	return a, err
}

// applicationHead reads an application without its trail, which alone needs the tables
// of the lifecycle.
func applicationHead(row Row) Application {
	v := row.Values
	a := Application{
		Wave: intOf(v[0]), Applicant: idOf(v[1]), State: State(textOf(v[2])), Edition: int(intOf(v[3])),
		Entered: moment(v[4]), Due: moment(v[5]), Household: idOf(v[7]),
		held: intOf(v[11]), commitment: bytesOf(v[12]), Seat: textOf(v[13]), SeatState: textOf(v[14]),
		decision: bytesOf(v[15]), version: row.Version, stored: v,
	}
	copy(a.Receipt[:], bytesOf(v[6]))
	if v[8] != nil {
		a.Placed = true
		a.Placement = Placement{Pool: textOf(v[8]), Tier: int(intOf(v[10])), Number: uint32(intOf(v[19]))}
		if groups := textOf(v[9]); groups != "" {
			a.Placement.Groups = strings.Split(groups, ",")
		}
	}
	if v[17] != nil {
		a.Due, a.Paused = moment(v[17]), moment(v[18])
	}
	return a
}

func applicationKey(wave int64, applicant uuid.UUID) Key {
	return Key{TableApplications, []any{wave, idValue(applicant)}}
}

func (w *Wave) row() (Row, error) {
	body, err := json.Marshal(w.body)
	if err != nil {
		return Row{}, err
	}
	return Row{Table: TableWaves, Version: w.version, Values: []any{
		w.Number, string(w.State), w.Opens.UnixMicro(), micros(w.Closes), body,
	}}, nil
}

func waveOf(row Row) (Wave, error) {
	v := row.Values
	w := Wave{Number: intOf(v[0]), State: WaveState(textOf(v[1])), Opens: moment(v[2]), Closes: moment(v[3]), version: row.Version}
	if err := json.Unmarshal(bytesOf(v[4]), &w.body); err != nil {
		return Wave{}, errors.New("program: a stored wave cannot be read")
	}
	return w, nil
}
