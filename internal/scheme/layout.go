package scheme

import (
	"errors"
	"strings"
	"time"
)

// layout is a layout of now.format that was checked. It is kept as its text, because compiled ones can be a hundred
// times as large.
type layout struct {
	text string
	max  int
	// fresh says that it tells the second: it has %d, %H, %M and %S.
	fresh bool
	// unit is that of its fractions of a second; 0 if it has none. If it has both, the longer one.
	unit time.Duration
	// instant says that it tells an instant: year, month and day too.
	instant bool
}

// directive is what a % can be followed by, with the layout of package time and how many bytes it gives at most.
type directive struct {
	name, layout string
	max          int
	help         string
}

var directives = []directive{
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

// percent is %%, which is no part of an instant.
var percent = directive{name: "%", layout: "%", max: 1}

// nextDirective cuts a layout at its first directive. It is not valid if something else follows the first %.
func nextDirective(text string) (before string, found directive, after string, valid bool) {
	before, after, is := strings.Cut(text, "%")
	if !is {
		return before, directive{}, "", true
	}
	if rest, is := strings.CutPrefix(after, percent.name); is {
		return before, percent, rest, true
	}
	for _, known := range directives {
		if rest, is := strings.CutPrefix(after, known.name); is {
			return before, known, rest, true
		}
	}
	return "", directive{}, "", false
}

// newLayout checks a layout. It is not valid if something else than a directive follows a %.
func newLayout(text string) (layout, bool) {
	l := layout{text: text}
	used := map[string]bool{}
	for text != "" {
		before, found, after, valid := nextDirective(text)
		if !valid {
			return layout{}, false
		}
		l.max += len(before) + found.max
		used[found.name], text = true, after
	}
	l.fresh = used["d"] && used["H"] && used["M"] && used["S"]
	l.instant = l.fresh && (used["Y"] || used["y"]) && (used["m"] || used["b"])
	switch {
	case used["3f"]:
		l.unit = time.Millisecond
	case used["6f"]:
		l.unit = time.Microsecond
	}
	return l, true
}

var errLayout = errors.New("is not as the layout has it")

// parse reads an instant in UTC, by a layout that tells one.
func (l layout) parse(text string) (time.Time, error) {
	read := map[string]string{}
	for rest := l.text; rest != ""; {
		before, found, after, _ := nextDirective(rest)
		if found.name == percent.name {
			before, found = before+percent.name, directive{}
		}
		given, is := strings.CutPrefix(text, before)
		if !is || len(given) < found.max {
			return time.Time{}, errLayout
		}
		read[found.name], text, rest = given[:found.max], given[found.max:], after
	}
	if month, err := time.Parse("Jan", read["b"]); err == nil {
		read["m"] = month.Format("01")
	}
	if read["Y"] == "" {
		read["Y"] = "20" + read["y"]
	}
	fraction := read["3f"]
	if read["6f"] != "" {
		fraction = read["6f"]
	}
	if text != "" || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, errLayout
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return time.Parse(time.RFC3339, read["Y"]+"-"+read["m"]+"-"+read["d"]+"T"+read["H"]+":"+read["M"]+":"+read["S"]+
		fraction+"Z")
}

// format writes an instant in UTC.
func (l layout) format(at time.Time) string {
	at = at.UTC()
	var text strings.Builder
	for rest := l.text; rest != ""; {
		before, found, after, _ := nextDirective(rest)
		text.WriteString(before)
		text.WriteString(strings.TrimPrefix(at.Format(found.layout), "."))
		rest = after
	}
	return text.String()
}
