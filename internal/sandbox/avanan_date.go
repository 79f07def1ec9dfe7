package sandbox

import (
	"regexp"
	"time"
)

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

var (
	zonelessDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?$`)
	zuluDate     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

// avananInstant reads x-av-date in a form that is taken.
func avananInstant(text string, taken Dates) (time.Time, bool) {
	layout := ""
	switch {
	case taken != Zulu && zonelessDate.MatchString(text):
		layout = "2006-01-02T15:04:05"
	case taken != Zoneless && zuluDate.MatchString(text):
		layout = "2006-01-02T15:04:05.000Z"
	}
	at, err := time.Parse(layout, text)
	return at, layout != "" && err == nil
}
