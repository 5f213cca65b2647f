// Package trainingtest proves that a platform keeps what training.Platform says.
// Whoever connects one runs it in a test:
//
//	func TestPlatform(t *testing.T) {
//		trainingtest.TestPlatform(t, func(t *testing.T) trainingtest.Bench {
//			school := newFakeSchool(t) // a test server with faults, and a clock that the suite moves
//			return trainingtest.Bench{
//				Platform: school.Client(),
//				Far:      school,
//				Partner:  training.Partner{ID: "school", Kind: training.PlatformKind, Name: "School", Key: school.Key()},
//				Start:    school.Now(),
//			}
//		})
//	}
//
// The far side has few methods: make a fault happen once, let somebody attend, complete
// or be turned away, give the call-backs that were made, and count who was enrolled.
// Each case says in its name what a platform owes.
//
// Faulty is a platform in memory, for the tests of whoever calls one:
//
//	f := trainingtest.NewFaulty("school", start, 7, &trainingtest.FaultyOptions{
//		Courses: []training.Course{course},
//		Rates:   map[trainingtest.Fault]int{trainingtest.AnswerLost: 50, trainingtest.NoticeLost: 100}, // of a thousand
//	})
//
// It has no clock and no randomness but those that it is given, so that a test which
// fails fails again.
package trainingtest
