package training

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/gelombang/gelombang/program"
)

// PartnerKind says what a partner does.
type PartnerKind string

// Kinds of partners.
const (
	// Institution gives training.
	Institution PartnerKind = "institution"
	// PlatformKind sells what institutions give.
	PlatformKind PartnerKind = "platform"
)

// Partner is an institution or a platform.
type Partner struct {
	// ID is short and permanent: letters a to z, digits and -. It is the party to which
	// the ledger books what was spent.
	ID   string
	Kind PartnerKind
	Name string
	// Key verifies what a platform signs; nil for a partner that signs nothing.
	Key ed25519.PublicKey
}

// Stake says that somebody owns a part of somebody else, in per mille (1 to 1000).
// Owners are partners or anybody else, by any permanent id.
type Stake struct {
	Owner, Owned string
	PerMille     int
}

// Conflict says that one hand is in both a platform and an institution.
type Conflict struct {
	Platform, Institution string
	// Owner controls both: it may be one of the two, or somebody else.
	Owner string
}

// Conflicts finds every owner who controls both a platform and an institution, in the
// order of their ids. A owner controls whom it, together with all whom it controls, owns from
// the given per mille on. So control passes through holdings of holdings and through
// circles, and a share that is split over two daughters counts as one.
func Conflicts(stakes []Stake, from int, platform, institution string) []Conflict {
	owners := map[string]bool{platform: true, institution: true}
	for _, s := range stakes {
		owners[s.Owner] = true
	}
	var found []Conflict
	for owner := range owners {
		all := controlled(stakes, from, owner)
		if all[platform] && all[institution] {
			found = append(found, Conflict{platform, institution, owner})
		}
	}
	slices.SortFunc(found, func(a, b Conflict) int { return strings.Compare(a.Owner, b.Owner) })
	return found
}

// controlled is an owner with all whom it controls.
func controlled(stakes []Stake, from int, owner string) map[string]bool {
	all := map[string]bool{owner: true}
	for grown := true; grown; {
		grown = false
		sums := map[string]int{}
		for _, s := range stakes {
			if all[s.Owner] {
				sums[s.Owned] += s.PerMille
			}
		}
		for owned, sum := range sums {
			if sum >= from && !all[owned] {
				all[owned], grown = true, true
			}
		}
	}
	return all
}

func partnerFaults(partners []Partner, stakes []Stake) []error {
	var faults []error
	add := func(field, rule string) { faults = append(faults, &program.FieldError{Field: field, Rule: rule}) }
	seen := map[string]bool{}
	for i, p := range partners {
		field := fmt.Sprintf("Partners[%d]", i)
		if !shortName(p.ID) || seen[p.ID] {
			add(field+".ID", "is made of letters a to z, digits and -, and is there once")
		}
		seen[p.ID] = true
		if p.Kind != Institution && p.Kind != PlatformKind {
			add(field+".Kind", "is institution or platform")
		}
		if p.Key != nil && len(p.Key) != ed25519.PublicKeySize {
			add(field+".Key", "is an Ed25519 key of 32 bytes")
		}
	}
	held := map[string]int{}
	for i, s := range stakes {
		if s.Owner == "" || s.Owned == "" || s.Owner == s.Owned || s.PerMille < 1 || s.PerMille > 1000 {
			add(fmt.Sprintf("Stakes[%d]", i), "has an owner, somebody else who is owned, and 1 to 1000 per mille")
			continue
		}
		if held[s.Owned] += s.PerMille; held[s.Owned] > 1000 {
			add(fmt.Sprintf("Stakes[%d]", i), "owns more than there is")
		}
	}
	return faults
}

func shortName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
