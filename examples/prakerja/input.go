package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gelombang/gelombang/program"
)

// input is where the people come from.
type input struct {
	people program.Source[Jobseeker]
	total  int64
	// about describes the source in the report; digest tells files apart.
	about  text
	digest string
	made   bool
	// first is the line of the first person, for rejects.csv.
	first int64
	close func() error
}

func openInput(ctx context.Context, s settings, geo *geography) (*input, error) {
	if s.applicants == "" {
		made, err := newMadePeople(s.seed, s.n, geo)
		if err != nil {
			return nil, err
		}
		return &input{people: made, total: s.n, made: true, first: 1, close: func() error { return nil },
			about: text{fmt.Sprintf("%s orang buatan dari benih %d", thousands(s.n), s.seed),
				fmt.Sprintf("%s made people from seed %d", strings.ReplaceAll(thousands(s.n), ".", ","), s.seed)}}, nil
	}
	file, err := openPeople(s.applicants, geo)
	if err != nil {
		return nil, err
	}
	total, err := file.count(ctx)
	if err == nil && total == 0 {
		err = fmt.Errorf("%s has a header and nobody under it", file.name())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	digest, err := digestOf(s.applicants)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &input{people: file, total: total, about: text{file.name(), file.name()}, digest: hex.EncodeToString(digest[:]), first: 2, close: file.Close}, nil
}

// mark tells the settings of a run apart from others.
func (in *input) mark(s settings) string {
	n := s.n
	if !in.made {
		n = 0
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %d", in.digest, n, s.seed, s.seats))
	return hex.EncodeToString(sum[:4])
}

func writeMadePeople(s settings, geo *geography) error {
	made, err := newMadePeople(s.seed, s.n, geo)
	if err != nil {
		return err
	}
	return writeFile(s.writeTo, func(w io.Writer) error { return writeApplicants(w, made) })
}
