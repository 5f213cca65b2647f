package program_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

// person reads the id of the i-th made person.
func (s *story) person(t *testing.T, i int) uuid.UUID {
	t.Helper()
	e := s.engine(t)
	for _, id := range everybody(t, s.store) {
		a, err := e.Applicant(t.Context(), id)
		require.NoError(t, err)
		if a.Person.National.Reveal() == national(i) {
			return id
		}
	}
	t.Fatalf("nobody has number %d", i)
	return uuid.Nil
}

// One's own file has all that is known, in both languages, as people read it in testdata; it
// prints nowhere else, and that it was given is in the journal.
func TestOnesOwnFile(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e := s.engine(t)
	var paid uuid.UUID
	require.NoError(t, e.Cases(t.Context(), 1, []program.State{"done"}, false, func(c *program.Case[details]) error {
		if paid == uuid.Nil || c.Application.Applicant.String() < paid.String() {
			paid = c.Application.Applicant
		}
		return nil
	}))
	require.NoError(t, e.Amend(t.Context(), program.By{Actor: "desk"}, paid, program.Correction[details]{Reason: "as on the card",
		Correct: func(p *program.Person, _ *details) {
			p.Birth, p.Phone = calendar.Of(1990, 3, 2), identity.NewSecret("0812000111")
		}}))
	refused := s.person(t, 4) // a minor
	receipt := regexp.MustCompile(`[0-9a-f]{32}`)
	for _, lang := range []string{"id", "en"} {
		for name, id := range map[string]uuid.UUID{"paid": paid, "refused": refused} {
			file, err := e.OwnFile(t.Context(), program.By{Actor: "citizen"}, id, lang)
			require.NoError(t, err)
			var text bytes.Buffer
			require.NoError(t, file.Write(&text))
			golden := filepath.Join("testdata", "ownfile_"+name+"_"+lang+".txt")
			got := receipt.ReplaceAll(text.Bytes(), []byte("(receipt)"))
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))

			a, err := e.Applicant(t.Context(), id)
			require.NoError(t, err)
			secrets := []string{a.Person.National.Reveal(), a.Person.Name.Reveal()}
			asJSON, err := json.Marshal(file)
			require.NoError(t, err)
			var out bytes.Buffer
			require.NoError(t, file.WriteJSON(&out))
			for _, secret := range secrets {
				require.Contains(t, text.String(), secret)
				require.Contains(t, out.String(), secret)
				require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", file, &file, []any{file}, asJSON), secret)
			}
		}
	}
	entries, err := s.store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	given := 0
	for _, entry := range entries {
		if entry.Kind == "file.given" {
			given++
		}
		require.False(t, strings.Contains(string(entry.Data), "0812000111"))
	}
	require.Equal(t, 4, given)
	var state *program.StateError
	s.change = keeps(1)
	s.now = s.now.AddDate(2, 0, 0)
	require.NoError(t, s.engine(t).Erase(t.Context(), by, paid))
	_, err = e.OwnFile(t.Context(), by, paid, "en")
	require.ErrorAs(t, err, &state)
}
