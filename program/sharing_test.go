package program_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

// sharingEngine has one phone per person, two people to a device, and five registrations
// by one officer in an hour.
func sharingEngine(t *testing.T, chunk int, more ...program.Sharing) (*story, *program.Engine[details]) {
	s := newStory(memstore.New())
	s.now, s.chunk = day(1), chunk
	p := testProgram()
	p.Sharing = append([]program.Sharing{{Name: "one-phone", Of: program.OfPhone, Max: 1}, {Name: "device", Of: program.OfDevice, Max: 2}}, more...)
	e, err := s.engineOf(t, p)
	require.NoError(t, err)
	return s, e
}

func sharer(i int, phone, device string) program.Registration[details] {
	return program.Registration[details]{Details: details{Pool: "north"}, Person: program.Person{Name: identity.NewName(fmt.Sprint("Orang ", i)),
		National: identity.NewSecret(national(i)), Birth: calendar.Of(1990, time.March, 1), Phone: identity.NewSecret(phone), Device: identity.NewSecret(device)}}
}

func rule(t *testing.T, err error) string {
	t.Helper()
	var no *program.RegistrationError
	require.ErrorAs(t, err, &no)
	return no.Field + " " + no.Rule
}

// A phone has one registration and a device two; those who have none share none.
func TestRegistrationsThatShare(t *testing.T) {
	_, e := sharingEngine(t, 7)
	ctx, by := t.Context(), program.By{Actor: "registrar"}
	register := func(i int, phone, device string) error {
		_, err := e.Register(ctx, by, sharer(i, phone, device))
		return err
	}
	require.NoError(t, register(1, "0811", "d1"))
	require.Equal(t, "Phone shared", rule(t, register(2, "0811", "d2")))
	require.NoError(t, register(2, "0812", "d1"), "who was refused may come again")
	require.Equal(t, "Device shared", rule(t, register(3, "0813", "d1")))
	for i := 4; i < 8; i++ {
		require.NoError(t, register(i, "", ""))
	}
	clean(t, e)
}

// One officer registers so many in an hour, and more in the next.
func TestVelocity(t *testing.T) {
	s, e := sharingEngine(t, 7, program.Sharing{Name: "officer-hour", Of: program.OfActor, Max: 3, Within: time.Hour})
	n := 0
	for hour := range 2 {
		for i := range 4 {
			n++
			_, err := e.Register(t.Context(), program.By{Actor: "joki"}, sharer(n, "", ""))
			if i < 3 {
				require.NoError(t, err)
				continue
			}
			require.Equal(t, "By.Actor too-many", rule(t, err))
			_, err = e.Register(t.Context(), program.By{Actor: fmt.Sprint("another ", hour)}, sharer(n, "", ""))
			require.NoError(t, err)
		}
		s.now = s.now.Add(time.Hour)
	}
}

type sharers struct{ n int }

func (p sharers) Next(_ context.Context, done int64, limit int) ([]program.Registration[details], error) {
	var some []program.Registration[details]
	for i := int(done); i < p.n && len(some) < limit; i++ {
		some = append(some, sharer(i, fmt.Sprint("08", i/2), fmt.Sprint("d", i/5)))
	}
	return some, nil
}

// A job refuses the same people as one by one would, whatever its chunks; the rest goes on.
func TestAJobThatMeetsLimits(t *testing.T) {
	for _, chunk := range []int{1, 3, 7, 100} {
		_, e := sharingEngine(t, chunk)
		counts, err := e.RegisterAll(t.Context(), program.By{Actor: "registrar"}, "register", sharers{40})
		require.NoError(t, err)
		// Of each ten one of two has the phone: 0 2 4, 6 8; a device takes two of three, or of two.
		require.EqualValues(t, 16, counts["registered"], "chunk %d", chunk)
		require.EqualValues(t, 24, counts["refused.shared"])
		require.EqualValues(t, 40, counts["done"])
		clean(t, e)
	}
}

// Of many who come at once with one phone, one is registered.
func TestOnePhoneAmongMany(t *testing.T) {
	_, e := sharingEngine(t, 7)
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() { _, errs[i] = e.Register(t.Context(), program.By{Actor: "registrar"}, sharer(i, "0811", "")) })
	}
	wg.Wait()
	in := 0
	for _, err := range errs {
		if err == nil {
			in++
		} else {
			require.Equal(t, "Phone shared", rule(t, err))
		}
	}
	require.Equal(t, 1, in)
}

// A phone that is corrected is free again, and the new one is taken; a phone of somebody who was
// erased is free, and no mark of it is left.
func TestAPhoneIsFreeAgain(t *testing.T) {
	s, e := sharingEngine(t, 7)
	ctx, by := t.Context(), program.By{Actor: "registrar"}
	ids := map[int]uuid.UUID{}
	register := func(i int, phone string) error {
		id, err := e.Register(ctx, by, sharer(i, phone, "d"))
		ids[i] = id
		return err
	}
	correct := func(i int, phone string) error {
		return e.Amend(ctx, by, ids[i], program.Correction[details]{Reason: "new number", Correct: func(p *program.Person, _ *details) { p.Phone = identity.NewSecret(phone) }})
	}
	require.NoError(t, register(1, "0811"))
	require.NoError(t, correct(1, "0812"))
	require.NoError(t, register(2, "0811"))
	require.Equal(t, "Phone shared", rule(t, correct(2, "0812")))
	require.NoError(t, correct(1, ""))
	require.NoError(t, correct(2, "0812"))
	require.NoError(t, correct(1, "0811"))
	records := func() int {
		rows, _, err := s.store.Page(ctx, program.Scan{Table: program.TableRecords, Limit: 100})
		require.NoError(t, err)
		return len(rows.Rows)
	}
	require.Equal(t, 2*2+2+1, records(), "each holds two, of two phones and one device")
	require.NoError(t, e.Erase(ctx, by, ids[1]))
	require.Equal(t, 2+1+1, records())
	_, err := e.EraseAll(ctx, by, "erase")
	require.NoError(t, err)
	require.Zero(t, records())
	require.NoError(t, register(3, "0811"))
	require.NoError(t, register(4, "0812"))
	clean(t, e)
}
