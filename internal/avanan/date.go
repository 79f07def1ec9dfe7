package avanan

import "time"

// DateFormat is how x-av-date is written. The zero value is not a valid format.
type DateFormat string

// Avanan's page and working clients disagree. There is a format for each, and Auto, which finds out which one works.
const (
	// Auto is whichever of the other two works in a handshake.
	Auto DateFormat = "auto"
	// Zoneless is 2026-01-02T03:04:05.123456 in UTC, always with six decimals. Working clients send it.
	Zoneless DateFormat = "zoneless"
	// Zulu is 2026-01-02T03:04:05.123Z, in UTC. Avanan's page describes it.
	Zulu DateFormat = "zulu"
)

// DateFormats lists the formats, the default first.
func DateFormats() []DateFormat { return []DateFormat{Auto, Zoneless, Zulu} }

// Date writes a time in the format. Auto is written as Zoneless.
func (f DateFormat) Date(at time.Time) string {
	if f == Zulu {
		return at.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000")
}
