package program

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// CloudEvent writes an entry of the journal as a CloudEvents 1.0 event in the JSON
// format. The same entry is always the same event: its id is the entry's Seq.
//
// Source names this journal, as a URI reference such as "/programs/prakerja"; it
// and the id together are unique. The event's type is the prefix and the entry's
// kind; a prefix should be a domain name of the agency turned round, such as
// "id.go.prakerja.". The time is exact to the microsecond. Extension attributes are
// "actor", and "sequence", by which events can be put in order as texts.
// Characters that CloudEvents forbids in an actor's name are replaced with U+FFFD.
//
// The error is a *FieldError if the source is empty or no URI reference, if the
// prefix and the kind are no text that an event may have, if the time has no RFC
// 3339 form, or if the entry's data is not JSON.
func CloudEvent(source, prefix string, e Entry) ([]byte, error) {
	if u, err := url.Parse(source); err != nil || source == "" || u.String() != source {
		return nil, &FieldError{"source", "is a URI reference"}
	}
	kind := prefix + e.Kind
	if kind == "" || eventText(kind) != kind {
		return nil, &FieldError{"Kind", "is a text without control characters"}
	}
	at := e.At.UTC().Truncate(time.Microsecond)
	if at.Year() < 0 || at.Year() > 9999 {
		return nil, &FieldError{"At", "is in the years 0 to 9999"}
	}
	event := struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Time        string          `json:"time"`
		Actor       string          `json:"actor,omitempty"`
		Sequence    string          `json:"sequence"`
		ContentType string          `json:"datacontenttype,omitempty"`
		Data        json.RawMessage `json:"data,omitempty"`
	}{"1.0", strconv.FormatInt(e.Seq, 10), source, kind, at.Format(time.RFC3339Nano), eventText(e.Actor), fmt.Sprintf("%019d", e.Seq), "", nil}
	if len(e.Data) > 0 {
		if !json.Valid(e.Data) || !utf8.Valid(e.Data) {
			return nil, &FieldError{"Data", "is JSON in UTF-8"}
		}
		event.ContentType, event.Data = "application/json", e.Data
	}
	return json.Marshal(event)
}

// eventText replaces what the String type of CloudEvents does not have: control
// characters, what is not Unicode, and noncharacters.
func eventText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}
