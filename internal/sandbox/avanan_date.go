package sandbox

// Dates says which form of x-av-date Avanan's stand-in takes.
type Dates string

// The forms of x-av-date.
const (
	// Zoneless is 2026-01-02T03:04:05, with 0, 3 or 6 decimals: what the live API is reported to take.
	Zoneless Dates = "zoneless"
	// Zulu is 2026-01-02T03:04:05.123Z: what Avanan's page says.
	Zulu Dates = "zulu"
	// Both takes either form.
	Both Dates = "both"
)

var avananLayouts = map[Dates][]string{
	Zoneless: {"2006-01-02T15:04:05", "2006-01-02T15:04:05.000", "2006-01-02T15:04:05.000000"},
	Zulu:     {"2006-01-02T15:04:05.000Z"},
	Both: {
		"2006-01-02T15:04:05", "2006-01-02T15:04:05.000", "2006-01-02T15:04:05.000000", "2006-01-02T15:04:05.000Z",
	},
}
