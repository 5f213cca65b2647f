package main

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// data holds the tables of places; see data/README.md for where they come from
// and under which licence.
//
//go:embed data
var data embed.FS

// province is a province as it was in 2020, when there were 34.
type province struct {
	Code string // of Kemendagri, "31"
	Name string // "DKI Jakarta"
	// People is the population by the census of 2020.
	People int64
}

// regency is a regency or city.
type regency struct {
	Code string // of Kemendagri today, "31.71"
	Name string // "Kota Jakarta Pusat"
	// Province is the position in geography.Provinces of the province that it
	// belonged to in 2020. It may differ from the first digits of Code: four
	// provinces in Papua are younger.
	Province int
	Villages int64
}

// geography is the administrative map, in the order of codes.
type geography struct {
	Provinces []province
	Regencies []regency
	at        map[string]int
}

// find returns the position of the regency with a code.
func (g *geography) find(code string) (int, bool) {
	i, known := g.at[code]
	return i, known
}

// loadGeography reads the embedded tables.
func loadGeography() (*geography, error) {
	g := &geography{at: map[string]int{}}
	provinces, err := readTable("population_2020.csv", "province_2020", "name", "population")
	if err != nil {
		return nil, err
	}
	position := map[string]int{}
	for i, row := range provinces {
		people, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("population_2020.csv: row %d: %w", i+1, err)
		}
		position[row[0]] = i
		g.Provinces = append(g.Provinces, province{row[0], placeName(row[1]), people})
	}
	regencies, err := readTable("regencies.csv", "code", "province", "province_2020", "name", "villages")
	if err != nil {
		return nil, err
	}
	for i, row := range regencies {
		in, known := position[row[2]]
		villages, err := strconv.ParseInt(row[4], 10, 64)
		if err != nil || !known {
			return nil, fmt.Errorf("regencies.csv: row %d: unknown province or no number of villages", i+1)
		}
		g.at[row[0]] = i
		g.Regencies = append(g.Regencies, regency{row[0], placeName(row[3]), in, villages})
	}
	return g, nil
}

// readTable reads an embedded table that has exactly these columns.
func readTable(name string, columns ...string) ([][]string, error) {
	text, err := data.ReadFile("data/" + name)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != strings.Join(columns, ",") {
		return nil, fmt.Errorf("%s: the columns are not %s", name, strings.Join(columns, ","))
	}
	return rows[1:], nil
}

// placeName writes "KOTA JAKARTA PUSAT" as "Kota Jakarta Pusat".
func placeName(upper string) string {
	words := strings.Fields(upper)
	for i, word := range words {
		if word != "DKI" {
			words[i] = word[:1] + strings.ToLower(word[1:])
		}
	}
	return strings.Join(words, " ")
}
