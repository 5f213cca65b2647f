package wording

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// ParseTexts reads Texts from JSON: {"id": {"key": "text"}, "en": {"key": "text"}}.
// A key that comes twice in one object is a *Fault, like every other fault of
// form; the standard decoder would keep the last one silently.
func ParseTexts(data []byte) (Texts, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	texts := Texts{}
	var faults []Fault
	err := object(dec, func(tag string) error {
		if texts[tag] != nil {
			faults = append(faults, Fault{Lang: tag, Rule: "twice", Detail: "the language comes twice"})
		} else {
			texts[tag] = map[string]string{}
		}
		return object(dec, func(key string) error {
			var text string
			if err := dec.Decode(&text); err != nil {
				return err
			}
			if _, twice := texts[tag][key]; twice {
				faults = append(faults, Fault{tag, key, "twice", "the key comes twice"})
			}
			texts[tag][key] = text
			return nil
		})
	})
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		faults = append(faults, Fault{Rule: "form", Detail: err.Error()})
	}
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	return texts, nil
}

// object reads one JSON object and calls member at the value of each key.
func object(dec *json.Decoder, member func(key string) error) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("an object is expected")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return errors.New("a key is expected")
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
