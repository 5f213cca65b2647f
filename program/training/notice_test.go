package training_test

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/training"
)

// A call-back counts only from the voucher's own platform, of the voucher as it was sold.
func TestWhoseWordCounts(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	body, signature, err := training.SignNotice(s.signer, training.Notice{Platform: "pijar", Progress: training.Progress{Voucher: "V-1", Course: "barista", Price: v.Price, State: training.Redeemed, At: s.now}})
	require.NoError(t, err)
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	_, forged, err := training.SignNotice(stranger, training.Notice{Platform: "pijar"})
	require.NoError(t, err)
	for rule, sent := range map[string][2]string{
		"signature": {string(body), forged}, "platform": {strings.Replace(string(body), "pijar", "nobod", 1), signature},
		"format": {string(body) + "{}", signature}, "size": {strings.Repeat("x", 1<<20+1), signature},
	} {
		_, _, err = s.desk.Take(ctx, officer, []byte(sent[0]), sent[1])
		var no *training.NoticeError
		require.ErrorAs(t, err, &no)
		require.Equal(t, rule, no.Rule)
	}
	other := v
	other.Platform = "other"
	_, _, err = s.says(other, training.Completed, attended(1, 2)...)
	require.Equal(t, []string{training.CodeOther}, reasons(t, err))
	dearer := v
	dearer.Price = payment.Rupiah(900_000)
	_, why, err := s.says(dearer, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	require.Equal(t, training.CodeOther, why[0].Code)
	v, err = s.desk.Voucher(ctx, "V-1")
	require.NoError(t, err)
	require.Equal(t, training.Sold, v.State)
	require.Empty(t, v.Proofs)
	_, _, err = s.desk.Prove(ctx, officer, "V-1", "pijar", attended(1))
	require.Error(t, err, "nobody proves in a platform's name")
	_, _, err = s.desk.Take(ctx, officer, body, signature)
	require.NoError(t, err, "control")
}

func FuzzOpenNotice(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	partners := []training.Partner{{ID: "p", Kind: training.PlatformKind, Key: key.Public().(ed25519.PublicKey)}}
	body, signature, err := training.SignNotice(key, training.Notice{Platform: "p", Progress: training.Progress{Voucher: "V", Attendance: attended(1)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body, signature)
	f.Add([]byte(`{"platform":"p"}`), "")
	f.Fuzz(func(t *testing.T, data []byte, made string) {
		if _, err := training.OpenNotice(partners, data, made); err == nil && (!bytes.Equal(data, body) || made != signature) {
			t.Fatal("something else than what was signed is verified")
		}
	})
}
