package scheme

import (
	"strconv"
	"strings"
	"time"
)

// Layouts of instants, as package time has them. Instants are in UTC.
const (
	layoutRFC3339   = "2006-01-02T15:04:05Z"
	layoutRFC3339ms = "2006-01-02T15:04:05.000Z"
	layoutHTTPDate  = "Mon, 02 Jan 2006 15:04:05 GMT" // RFC 9110, section 5.6.7
)

// layout is a compiled layout of now.format.
type layout struct {
	pieces []func(time.Time) string
	max    int
	// fresh says that it tells the second: it has %d, %H, %M and %S.
	fresh bool
}

// directives are what % can be followed by, with the layout of package time and how many bytes it gives at most.
var directives = []struct {
	name, layout string
	max          int
	help         string
}{
	{"Y", "2006", 4, "year"},
	{"m", "01", 2, "month"},
	{"d", "02", 2, "day"},
	{"H", "15", 2, "hour"},
	{"M", "04", 2, "minute"},
	{"S", "05", 2, "second"},
	{"y", "06", 2, "year without its century"},
	{"b", "Jan", 3, "month in English"},
	{"a", "Mon", 3, "day of the week in English"},
	{"3f", ".000", 3, "milliseconds"},
	{"6f", ".000000", 6, "microseconds"},
}

// newLayout compiles a layout. It says false if something else than a directive follows a %.
func newLayout(text string) (layout, bool) {
	var l layout
	used := map[string]bool{}
	for text != "" {
		before, after, found := strings.Cut(text, "%")
		if before != "" {
			l.pieces = append(l.pieces, func(time.Time) string { return before })
			l.max += len(before)
		}
		if !found {
			break
		}
		text = after
		if rest, is := strings.CutPrefix(text, "%"); is {
			l.pieces = append(l.pieces, func(time.Time) string { return "%" })
			l.max++
			text = rest
			continue
		}
		known := false
		for _, directive := range directives {
			rest, is := strings.CutPrefix(text, directive.name)
			if !is {
				continue
			}
			l.pieces = append(l.pieces, func(at time.Time) string {
				return strings.TrimPrefix(at.Format(directive.layout), ".")
			})
			l.max += directive.max
			used[directive.name], known, text = true, true, rest
			break
		}
		if !known {
			return layout{}, false
		}
	}
	l.fresh = used["d"] && used["H"] && used["M"] && used["S"]
	return l, true
}

// format writes an instant in UTC.
func (l layout) format(at time.Time) string {
	at = at.UTC()
	var text strings.Builder
	for _, piece := range l.pieces {
		text.WriteString(piece(at))
	}
	return text.String()
}

func unix(at time.Time) string   { return strconv.FormatInt(at.Unix(), 10) }
func unixMS(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
