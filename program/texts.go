package program

import (
	_ "embed"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

//go:embed texts.json
var defaultTexts []byte

// DefaultTexts are the package's own texts, in Indonesian and English: the engine's
// reasons, and the states and events of a registration, a wave and a batch. An
// agency that adds a language translates all of them. NewEngine adds them to a
// program's Texts by itself.
func DefaultTexts() (wording.Texts, error) { return wording.ParseTexts(defaultTexts) }

// ownCatalogue has the texts of the library's own tables.
func ownCatalogue() (*wording.Catalogue, error) {
	own, err := DefaultTexts()
	if err != nil {
		return nil, err
	}
	steps, err := lifecycle.DefaultTexts()
	if err != nil {
		return nil, err
	}
	return wording.Compile(own, steps, payment.Texts())
}
