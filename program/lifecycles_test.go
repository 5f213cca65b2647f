package program_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The document of the library's own lifecycles is made from their tables.
func TestTheDocumentHasTheTables(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("# The library's own lifecycles\n\nAn agency writes one table, that of the application. These four are the same for every program. " +
		"They are made from\nthe code (`go test ./program -run TheDocument -update`).\n")
	add := func(title, mermaid, markdown string) {
		fmt.Fprintf(&doc, "\n## %s\n\n```mermaid\n%s```\n\n%s", title, mermaid, markdown)
	}
	add("Registration", program.RegistrationTable().Mermaid(), program.RegistrationTable().Markdown())
	add("Wave", program.WaveTable().Mermaid(), program.WaveTable().Markdown())
	add("Batch of payments", program.BatchTable().Mermaid(), program.BatchTable().Markdown())
	add("Payment", payment.Table().Mermaid(), payment.Table().Markdown())
	const path = "../docs/lifecycles.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(doc.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), doc.String())
}

// The engine goes wherever the table leads: along every path of up to four moves
// the case ends where the row says, and the store adds up.
func TestTheEngineFollowsEveryPath(t *testing.T) {
	paths := 0
	for p := range openFile(t).e.Lifecycle().Paths(4) {
		paths++
		f := openFile(t)
		for _, row := range p {
			if row.Clock {
				require.Equal(t, row.To, f.tick(f.application().Due))
				continue
			}
			require.NoError(t, f.fire(f.at.Add(1), program.Report{Event: row.Event}), "%v after %v", row.Event, row.From)
			require.Equal(t, row.To, f.application().State)
		}
		breaches, err := f.e.Verify(t.Context())
		require.NoError(t, err)
		require.Empty(t, breaches)
	}
	require.Greater(t, paths, 20)
}

// The fixed tables have texts in both languages for every state and event, and no
// effect or holding that nobody knows.
func TestTheFixedTablesHaveTexts(t *testing.T) {
	own, err := program.DefaultTexts()
	require.NoError(t, err)
	for lang := range own {
		require.Contains(t, []string{"id", "en"}, lang)
	}
	for _, without := range []string{"", "registration.barred", "wave.event.fix", "batch.revising", "payment.unknown"} {
		texts, pay := wording.Texts{}, wording.Texts{}
		for to, from := range map[*wording.Texts]wording.Texts{&texts: own, &pay: payment.Texts()} {
			for lang, messages := range from {
				(*to)[lang] = maps.Clone(messages)
				delete((*to)[lang], without)
			}
		}
		catalogue, err := wording.Compile(texts, pay)
		require.NoError(t, err)
		fixed := lifecycle.CompileOptions{Texts: catalogue, Effects: []string{}, Holdings: []lifecycle.Holding{}}
		_, err1 := lifecycle.Compile(program.RegistrationTable(), map[string]lifecycle.Guard[any]{}, fixed)
		_, err2 := lifecycle.Compile(program.WaveTable(), map[string]lifecycle.Guard[any]{}, fixed)
		_, err3 := lifecycle.Compile(program.BatchTable(), map[string]lifecycle.Guard[any]{}, fixed)
		fixed.Effects = []string{payment.EffectReserve, payment.EffectPost, payment.EffectVoid, payment.EffectRepay}
		fixed.Holdings = []lifecycle.Holding{payment.Reservation}
		_, err4 := lifecycle.Compile(payment.Table(), map[string]lifecycle.Guard[any]{}, fixed)
		if err := errors.Join(err1, err2, err3, err4); without == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, without, "control")
		}
	}
}

// A fixed table has no way back to life, and no payment is settled twice without
// having come back.
func TestNoPaymentIsSettledTwice(t *testing.T) {
	m, err := lifecycle.Compile(payment.Table(), map[string]lifecycle.Guard[any]{}, lifecycle.CompileOptions{})
	require.NoError(t, err)
	found := lifecycle.Explore(m, 0, func(paid int, r *lifecycle.Row[payment.State, payment.Event]) (int, error) {
		switch r.Event {
		case payment.Settle:
			paid++
		case payment.Return:
			paid--
		}
		if paid < 0 || paid > 1 || r.To.Dead() && paid != 0 {
			return paid, fmt.Errorf("%s with %d paid", r.To, paid)
		}
		return paid, nil
	}, 50)
	require.Nil(t, found.Counterexample)
	require.True(t, found.Complete)
}
