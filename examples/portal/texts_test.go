package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/quota"
)

func announcementOf(t *testing.T, f *proofFiles) *quota.Announcement {
	a, err := quota.ParseAnnouncement(f.files[quota.AnnouncementFile])
	require.NoError(t, err)
	return a
}

var (
	templateKey = regexp.MustCompile(`\bt \(?"([a-z][a-z0-9.-]*[a-z0-9])"|"(?:Label|Hint|Key)" "([a-z][a-z0-9.-]*)"`)
	goKey       = regexp.MustCompile(`"((?:form|fault|finding|todo|job|wave\.short|state\.short)\.[a-z0-9.-]*[a-z0-9])"`)
	madeKey     = regexp.MustCompile(`print "([a-z.]+\.)"`)
)

// Every text that a page or a handler asks for is there, in both languages, and no text is there
// that nothing asks for.
func TestTextsAreComplete(t *testing.T) {
	p, err := definition()
	require.NoError(t, err)
	c, err := catalogue(p) // it checks that both languages have the same keys
	require.NoError(t, err)
	require.Equal(t, []string{"en", "id"}, slices.Sorted(slices.Values(c.own.Languages())))
	asked, prefixes := map[string]bool{}, []string{"form.nik.", "form.kk.", "fault.appeal.", "category."}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".html":
			for _, m := range templateKey.FindAllStringSubmatch(string(text), -1) {
				asked[m[1]+m[2]] = true
			}
			for _, m := range madeKey.FindAllStringSubmatch(string(text), -1) {
				prefixes = append(prefixes, m[1])
			}
		case ".go":
			for _, m := range goKey.FindAllStringSubmatch(string(text), -1) {
				asked[m[1]] = true
			}
		}
		return nil
	})
	require.NoError(t, err)
	for key := range asked {
		require.True(t, c.has(key), "no text %s", key)
	}
	ui, err := os.ReadFile("texts/ui.json")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^    "([^"]+)":`).FindAllStringSubmatch(string(ui), -1) {
		made := slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(m[1], prefix) })
		require.True(t, asked[m[1]] || made, "nothing asks for the text %s", m[1])
	}
	// What follows from the program's own table.
	for _, s := range table().States {
		require.True(t, c.has("state.short."+string(s.State)), s.State)
	}
	for _, all := range reasons {
		for _, r := range all {
			require.True(t, c.has("reason.officer."+r), r)
		}
	}
}
