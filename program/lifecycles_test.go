package program_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/lifecycle"
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
