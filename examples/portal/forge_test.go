package main

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/quota"
)

// forge gives somebody a seat who was not drawn, takes one from somebody who was, and makes all digests fit.
func forge(t *testing.T, f *proofFiles) func(string, []byte) []byte {
	lines := strings.Split(string(f.files[quota.ResultFile]), "\n")
	drawnAt, notAt := -1, -1
	for i, line := range lines[1:] {
		if strings.Contains(line, "\tdrawn-open\t") && drawnAt < 0 {
			drawnAt = i + 1
		}
		if (strings.Contains(line, "\twaiting\t") || strings.Contains(line, "\tseats-exhausted\t")) && notAt < 0 {
			notAt = i + 1
		}
	}
	require.Positive(t, drawnAt)
	require.Positive(t, notAt)
	a, b := strings.SplitN(lines[drawnAt], "\t", 2), strings.SplitN(lines[notAt], "\t", 2)
	lines[drawnAt], lines[notAt] = a[0]+"\t"+b[1], b[0]+"\t"+a[1]
	result := []byte(strings.Join(lines, "\n"))
	announcement := announcementOf(t, f)
	announcement.Result = sha256.Sum256(result)
	tree := newTree(result)
	announcement.Tree = tree.levels[len(tree.levels)-1][0]
	data := must(json.MarshalIndent(announcement, "", "  "))
	return func(name string, have []byte) []byte {
		switch name {
		case quota.ResultFile:
			return result
		case quota.AnnouncementFile:
			return append(data, '\n')
		}
		return have
	}
}
