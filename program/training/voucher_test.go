package training_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/training"
)

// A session that one affirms and another denies is not attended until an officer has
// looked; a platform cannot say that it was an officer.
func TestContradictedAttendance(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	_, _, err = s.desk.Prove(ctx, officer, "V-1", "face-check", []training.Attendance{{Session: 2, Seen: day(1), Method: "face"}})
	require.NoError(t, err)
	said := attended(1, 2)
	said[1].Final = true
	v, _, err = s.says(v, training.Completed, said...)
	require.NoError(t, err)
	require.Equal(t, []training.Reason{{Code: training.CodeContradicted}}, s.setup.Rules.Finished(v))
	v, _, err = s.desk.Prove(ctx, officer, "V-1", "inspector", []training.Attendance{{Session: 2, Present: true, Seen: day(1), Method: "interview", Final: true}})
	require.NoError(t, err)
	require.Equal(t, training.Completed, v.State)
}

// Where the program asks for less than all sessions, so many are enough.
func TestThreeOfFourSessions(t *testing.T) {
	r := training.Rules{Attendance: 75}
	v := training.Voucher{Sessions: 4, Claimed: day(1)}
	for n := 1; n <= 3; n++ {
		require.NotEmpty(t, r.Finished(v))
		v.Proofs = append(v.Proofs, attended(n)...)
	}
	require.Empty(t, r.Finished(v))
	require.NotEmpty(t, training.Rules{}.Finished(v), "no rule means all of them")
}

// Whatever order messages come in, and however often, what is known in the end is the
// same.
func TestLearningHasNoOrder(t *testing.T) {
	rules := training.Rules{}
	sold := training.Voucher{Number: "V-1", Course: "a", Sessions: 3, State: training.Sold, Platform: "pijar"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var messages []training.Progress
		var proofs []training.Attendance
		for n := range 1 + random.IntN(3) {
			proofs = append(proofs, attended(n+1)...)
			messages = append(messages, training.Progress{Voucher: "V-1", Course: "a", State: training.Redeemed, At: day(1), Attendance: proofs[:len(proofs):len(proofs)]})
		}
		if random.IntN(2) == 0 {
			messages = append(messages, training.Progress{Voucher: "V-1", Course: "a", State: training.Completed, At: day(1), Attendance: proofs})
		}
		learn := func(order []int) training.VoucherState {
			v := sold
			for _, i := range order {
				v, _ = rules.Learn(v, messages[i], day(2))
			}
			require.Len(t, v.Proofs, len(proofs))
			return v.State
		}
		var order, shuffled []int
		for i := range messages {
			order = append(order, i)
			shuffled = append(shuffled, i, i)
		}
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, learn(order), learn(shuffled))
	}
}
