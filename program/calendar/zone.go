package calendar

import "time"

const hour = 60 * 60

// The Indonesian zones as they are now, without a summer time. They changed in
// the past: for old instants load the zone from a database with time.LoadLocation.
var (
	jakarta  = time.FixedZone("WIB", 7*hour)
	makassar = time.FixedZone("WITA", 8*hour)
	jayapura = time.FixedZone("WIT", 9*hour)
)

// Zone returns the location of a zone's IANA name. Asia/Jakarta and
// Asia/Pontianak (UTC+7), Asia/Makassar (UTC+8), Asia/Jayapura (UTC+9) and UTC
// are built in; other names come from the system's database. The empty name is
// UTC. "Local" is refused, since it differs by machine. The error is a *TermError.
func Zone(name string) (*time.Location, error) {
	switch name {
	case "", "UTC":
		return time.UTC, nil
	case "Asia/Jakarta", "Asia/Pontianak":
		return jakarta, nil
	case "Asia/Makassar":
		return makassar, nil
	case "Asia/Jayapura":
		return jayapura, nil
	case "Local":
		return nil, &TermError{Field: "Zone", Rule: "names a place, not the machine's own zone"}
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, &TermError{Field: "Zone", Rule: "is an IANA zone name known to this system"}
	}
	return loc, nil
}
