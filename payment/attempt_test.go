package payment

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/lifecycle"
)

var sentAt = time.Date(2020, time.October, 31, 5, 0, 0, 0, time.UTC)

func TestWhatMayBeDoneNext(t *testing.T) {
	safe := Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 7 * 24 * time.Hour}
	unsafe := Capabilities{KeyMemory: 24 * time.Hour, StatusMemory: 7 * 24 * time.Hour}
	for name, c := range map[string]struct {
		capabilities Capabilities
		state        State
		after        time.Duration
		want         Action
	}{
		"a fresh one may be sent again":                  {safe, Unknown, time.Hour, Resend},
		"until half of the memory":                       {safe, Submitted, 12*time.Hour - 1, Resend},
		"then it is asked for":                           {safe, Unknown, 12 * time.Hour, Ask},
		"a clock that went back sends nothing":           {safe, Unknown, -time.Hour, Ask},
		"nothing is sent again where it is not safe":     {unsafe, Unknown, time.Minute, Ask},
		"nobody remembers: the statement must tell":      {safe, Unknown, 7 * 24 * time.Hour, Await},
		"a provider that promises nothing":               {Capabilities{}, Unknown, 0, Await},
		"what is taken is open, but has been answered":   {safe, Accepted, time.Hour, Nothing},
		"what is settled is over":                        {safe, Settled, time.Hour, Nothing},
		"what was never submitted is for nobody to send": {safe, Approved, time.Hour, Nothing},
	} {
		require.Equal(t, c.want, c.capabilities.Next(Attempt{Reference: "R", State: c.state, Submitted: sentAt}, sentAt.Add(c.after)), name)
	}
}

func TestWhatAnAnswerDoes(t *testing.T) {
	c := Capabilities{Finality: 48 * time.Hour}
	late := sentAt.Add(72 * time.Hour)
	seen := Proof{Through: sentAt.Add(48 * time.Hour)}
	for name, try := range map[string]struct {
		state    State
		echo     string
		standing Standing
		proof    Proof
		at       time.Time
		event    Event
		incident bool
	}{
		"taken":                                   {Submitted, "R", Taken, Proof{}, sentAt, Accept, false},
		"paid is not settled":                     {Unknown, "R", Paid, Proof{}, sentAt, Accept, false},
		"refused for good":                        {Unknown, "R", Refused, Proof{}, sentAt, Reject, false},
		"another's answer proves nothing":         {Submitted, "S", Refused, Proof{}, sentAt, Doubt, false},
		"an unlisted word":                        {Submitted, "R", "perhaps", Proof{}, sentAt, Doubt, false},
		"it stays unknown":                        {Unknown, "R", Unclear, Proof{}, sentAt, "", false},
		"absent proves nothing":                   {Submitted, "R", Absent, Proof{}, sentAt, Doubt, false},
		"absent, but it may still be executed":    {Unknown, "R", Absent, seen, sentAt.Add(47 * time.Hour), "", false},
		"absent, but statements are missing":      {Unknown, "R", Absent, Proof{Through: sentAt.Add(47 * time.Hour)}, late, "", false},
		"absent, final, and on no statement":      {Unknown, "R", Absent, seen, late, Reject, false},
		"taken that becomes absent":               {Accepted, "R", Absent, Proof{}, sentAt, Doubt, false},
		"refused, then taken":                     {Rejected, "R", Taken, Proof{}, sentAt, "", true},
		"settled, then refused":                   {Settled, "R", Refused, Proof{}, sentAt, "", true},
		"settled, and paid: that is the same":     {Settled, "R", Paid, Proof{}, sentAt, "", false},
		"paid, though it was never submitted":     {Approved, "R", Paid, Proof{}, sentAt, "", true},
		"returned, and once more said to be paid": {Returned, "R", Paid, Proof{}, sentAt, "", false},
	} {
		got := c.Judge(Attempt{Reference: "R", State: try.state, Submitted: sentAt}, Answer{Reference: try.echo, Standing: try.standing}, try.proof, try.at)
		require.Equal(t, try.event, got.Event, name)
		require.Equal(t, try.incident, got.Incident, name)
	}
	forever := Capabilities{}.Judge(Attempt{Reference: "R", State: Unknown, Submitted: sentAt}, Answer{Reference: "R", Standing: Absent}, Proof{Through: late.AddDate(9, 0, 0)}, late.AddDate(9, 0, 0))
	flipped := c.Judge(Attempt{Reference: "R", State: Accepted, Submitted: sentAt, Paid: true}, Answer{Reference: "R", Standing: Refused}, seen, late)
	require.Empty(t, flipped.Event, "said to be paid, and then refused: a person looks")
	require.True(t, flipped.Incident)

	again := Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, Finality: 48 * time.Hour}
	for after, want := range map[time.Duration]Event{60*time.Hour - 1: "", 60 * time.Hour: Reject} {
		at := sentAt.Add(after)
		got := again.Judge(Attempt{Reference: "R", State: Unknown, Submitted: sentAt}, Answer{Reference: "R", Standing: Absent}, Proof{Through: at}, at)
		require.Equal(t, want, got.Event, "the last time that it was sent may have been the first that arrived")
	}
	require.Empty(t, forever.Event, "without a promise of finality absence never proves anything")
}

// Whatever is said in whatever state, the event is one that the table allows.
func TestEveryJudgementIsAMoveOfTheTable(t *testing.T) {
	m, err := lifecycle.Compile(Table(), map[string]lifecycle.Guard[any]{}, lifecycle.CompileOptions{})
	require.NoError(t, err)
	for _, s := range Table().States {
		for _, standing := range []Standing{Taken, Paid, Refused, Absent, Unclear, ""} {
			for _, late := range []time.Duration{0, 72 * time.Hour} {
				at := sentAt.Add(late)
				out := Capabilities{Finality: time.Hour}.Judge(Attempt{Reference: "R", State: s.State, Submitted: sentAt}, Answer{"R", standing, "", ""}, Proof{Through: at}, at)
				if out.Event != "" {
					_, why := m.Fire(s.State, out.Event, nil, lifecycle.Moment{At: at}, nil)
					require.Empty(t, why, "%s in %s", out.Event, s.State)
				}
			}
		}
	}
}

// scripted answers calls from a script.
type scripted struct {
	Provider
	capabilities Capabilities
	calls        [][]Transfer
	answer       func(call int, orders []Transfer) ([]Answer, error)
}

func (s *scripted) Capabilities() Capabilities { return s.capabilities }

func (s *scripted) Submit(_ context.Context, orders []Transfer) ([]Answer, error) {
	s.calls = append(s.calls, orders)
	return s.answer(len(s.calls), orders)
}

func transfers(n int) []Transfer {
	all := make([]Transfer, n)
	for i := range all {
		all[i] = Transfer{Reference: fmt.Sprint("R", i), Amount: Rupiah(600_000)}
	}
	return all
}

func TestDispatch(t *testing.T) {
	p := &scripted{capabilities: Capabilities{BatchSize: 2, Most: Rupiah(600_000)}, answer: func(call int, orders []Transfer) ([]Answer, error) {
		switch call {
		case 1: // a partial answer, one of them twice
			return []Answer{{"R1", Taken, "", ""}, {"R1", Taken, "", ""}, {"R9", Refused, "", ""}}, nil
		case 2: // one in two ways, and an error besides
			return []Answer{{"R2", Taken, "", ""}, {"R2", Refused, "", ""}, {"R3", Refused, "AC04", ""}}, errors.New("cut off")
		}
		return nil, fmt.Errorf("dial: %w", ErrNotSent)
	}}
	all := transfers(6)
	all[5].Amount = Rupiah(600_001)
	out := Dispatch(t.Context(), p, all, sentAt, sentAt)
	require.Len(t, p.calls, 3)
	var got []string
	for i, o := range out {
		require.Equal(t, all[i].Reference, o.Reference)
		got = append(got, fmt.Sprint(o.Event, " ", o.NotSent))
	}
	require.Equal(t, []string{"doubt false", "accept false", "doubt false", "reject false", " true", " true"}, got)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range Dispatch(ended, p, transfers(3), sentAt, sentAt) {
		require.True(t, o.NotSent)
	}
	require.Len(t, p.calls, 3, "nothing was handed over")
}

// What a provider has said to be paid is not rejected because it forgets it, nor what a
// statement has blocked, nor what may be an orphan debit. Each guard is needed: without
// it the same answer rejects.
func TestWhatNoAnswerRejects(t *testing.T) {
	promised := Capabilities{Finality: time.Hour}
	at := time.Date(2020, time.August, 1, 0, 0, 0, 0, time.UTC)
	reference, err := Reference(1, 1, 1)
	require.NoError(t, err)
	plain := Attempt{Reference: reference, State: Accepted, Submitted: at}
	absent, refused := Answer{Reference: reference, Standing: Absent}, Answer{Reference: reference, Standing: Refused}
	proof, now := Proof{Through: at.Add(2 * time.Hour)}, at.Add(3*time.Hour)
	require.Equal(t, Reject, promised.Judge(plain, absent, proof, now).Event, "control")
	require.Equal(t, Reject, promised.Judge(plain, refused, proof, now).Event, "control")
	paid, blocked, late := plain, plain, plain
	paid.Paid, blocked.Blocked, late.Last = true, true, at.Add(90*time.Minute)
	for _, answer := range []Answer{absent, refused} {
		require.Equal(t, Outcome{Reference: reference, Incident: true, Answer: answer}, promised.Judge(paid, answer, proof, now))
		require.Equal(t, Outcome{Reference: reference, Incident: true, Answer: answer}, promised.Judge(blocked, answer, proof, now))
	}
	require.Equal(t, Doubt, promised.Judge(late, absent, proof, now).Event, "it was handed over later")
	proof.Orphan = true
	require.Equal(t, Doubt, promised.Judge(plain, absent, proof, now).Event, "an orphan may be it")
}
