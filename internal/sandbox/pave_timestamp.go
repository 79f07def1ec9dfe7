package sandbox

import (
	"strconv"
	"time"
)

// Timestamps says which form of API-Timestamp PAVE's stand-in takes: one of those that PAVE's pages and public clients
// use, or all of them.
type Timestamps string

// The forms of API-Timestamp, each with an example.
const (
	// RFC3339 is 2026-01-02T03:04:05Z, from the prose of PAVE's pages.
	RFC3339 Timestamps = "rfc3339"
	// RFC3339Millis is 2026-01-02T03:04:05.123Z, from their JavaScript sample.
	RFC3339Millis Timestamps = "rfc3339-ms"
	// RFC3339Micros is 2026-01-02T03:04:05.607380+00:00, from their Python sample.
	RFC3339Micros Timestamps = "rfc3339-us"
	// HTTPDate is Fri, 02 Jan 2026 03:04:05 GMT, from two public Node clients.
	HTTPDate Timestamps = "http-date"
	// UnixSeconds is 1767323045, from the samples of PAVE's hotspots page.
	UnixSeconds Timestamps = "unix"
	// AllTimestamps takes every form.
	AllTimestamps Timestamps = "all"
)

// paveLayouts are the forms that package time can read. What follows the seconds is literal, so other zones are
// rejected.
var paveLayouts = map[Timestamps]string{
	RFC3339:       "2006-01-02T15:04:05Z",
	RFC3339Millis: "2006-01-02T15:04:05.000Z",
	RFC3339Micros: "2006-01-02T15:04:05.000000+00:00",
	HTTPDate:      "Mon, 02 Jan 2006 15:04:05 GMT",
}

// paveInstant reads a timestamp in a form that is taken.
func paveInstant(text string, taken Timestamps) (time.Time, bool) {
	for form, layout := range paveLayouts {
		if at, ok := instant(text, layout); ok && (taken == form || taken == AllTimestamps) {
			return at, true
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil && strconv.FormatInt(seconds, 10) == text &&
		(taken == UnixSeconds || taken == AllTimestamps)
}

// instant reads a time in one of several layouts. A text that the layout would not produce is rejected.
func instant(text string, layouts ...string) (time.Time, bool) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil && at.Format(layout) == text {
			return at, true
		}
	}
	return time.Time{}, false
}
