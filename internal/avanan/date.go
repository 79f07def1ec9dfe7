package avanan

import "time"

// DateFormat says how the text of x-av-date is written. The zero value is none of the formats.
type DateFormat string

// The vendor's page and the working clients part ways, so there is a format for each, and one that finds out.
const (
	// Auto stands for the one of the other two that a handshake finds to work.
	Auto DateFormat = "auto"
	// Zoneless is 2026-01-02T03:04:05.123456, UTC, always six decimals: what working clients send.
	Zoneless DateFormat = "zoneless"
	// Zulu is 2026-01-02T03:04:05.123Z, UTC: what the vendor's page says.
	Zulu DateFormat = "zulu"
)

// DateFormats lists the formats, the default first.
func DateFormats() []DateFormat { return []DateFormat{Auto, Zoneless, Zulu} }

// Date writes an instant as the format says. Auto is written as Zoneless.
func (f DateFormat) Date(at time.Time) string {
	if f == Zulu {
		return at.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000")
}
