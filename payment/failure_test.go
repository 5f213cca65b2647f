package payment

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/lifecycle"
)

// owners says of every failure who must act. The first ten are what the program told
// its people about their payouts; the others are a bank's.
var owners = map[Failure]lifecycle.Party{
	TrainingIncomplete: lifecycle.Applicant, SessionIncomplete: lifecycle.Applicant, FaceCheckIncomplete: lifecycle.Applicant,
	NotRated: lifecycle.Applicant, NotReviewed: lifecycle.Applicant,
	AccountUnusable: lifecycle.Applicant, WalletNotUpgraded: lifecycle.Applicant, NationalMismatch: lifecycle.Applicant,
	NameMismatch: lifecycle.Applicant, PhoneMismatch: lifecycle.Applicant, WalletFull: lifecycle.Applicant,

	AccountUnknown: lifecycle.Applicant, HolderDeceased: lifecycle.Officer, BankUnknown: lifecycle.Officer,
	AmountRefused: lifecycle.Officer, NotAllowed: lifecycle.Officer, NoFunds: lifecycle.Officer,
	SentTwice: lifecycle.Officer, Unexplained: lifecycle.Officer,
}

// Every failure of the source has somebody who must act, and a text of its own in both
// languages.
func TestEveryFailureHasAnOwnerAndItsWords(t *testing.T) {
	declared := failuresOfTheSource(t)
	require.Len(t, owners, len(declared))
	for _, language := range []string{"id", "en"} {
		said := map[string]Failure{}
		for _, f := range declared {
			require.Contains(t, owners, f)
			require.Equal(t, owners[f], f.Actor(), f)
			text := Texts()[language][f.Wording()]
			require.NotEmpty(t, text, "%s in %s", f, language)
			require.Empty(t, said[text], "%s says the same in %s", f, language)
			said[text] = f
		}
	}
	require.Equal(t, lifecycle.Officer, Failure("?").Actor(), "what nobody listed is an officer's")
}

// failuresOfTheSource are the constants of type Failure.
func failuresOfTheSource(t *testing.T) (all []Failure) {
	file, err := parser.ParseFile(token.NewFileSet(), "failure.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Failure" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			all = append(all, Failure(text))
		}
		return true
	})
	require.NotEmpty(t, all)
	return all
}

// Every code that is mapped, and some that must not be: those that speak of the payer
// (AC02, BE08, RC03), of the message (FF01) or of nothing (NARR, MS03).
func TestFailureOf(t *testing.T) {
	mapped := map[Failure][]string{
		AccountUnknown: {"AC01", "AC03", "BE06", "BE23"}, AccountUnusable: {"AC04", "AC06", "AC07", "AC16", "AC17"},
		WalletNotUpgraded: {"NOCM"}, NationalMismatch: {"BE17"}, NameMismatch: {"BE01", "BE22"}, HolderDeceased: {"MD07"},
		BankUnknown:   {"RC01", "RC04", "RC07", "CNOR"},
		AmountRefused: {"AM01", "AM02", "AM06", "AM09", "AM12", "AM13", "AM14", "AM15", "AM21", "AM23"},
		NotAllowed:    {"AG01", "AG03", "AM07", "RR03", "RR04"}, NoFunds: {"AM04"},
		SentTwice:   {"AM05", "DUPL", "DU03", "DU04", "DU05", "RF01"},
		Unexplained: {"AC02", "AC14", "BE08", "RC03", "FF01", "NARR", "MS03", "ZZ99", "ac04", ""},
	}
	for failure, codes := range mapped {
		for _, code := range codes {
			require.Equal(t, failure, FailureOf(code), code)
		}
	}
}
