// Package plainvalue has the rule for public values that readers put into shells and header files.
package plainvalue

import "strings"

// quotes end a string in a shell, an env file or a curl configuration, or are interpreted there.
const quotes = "\"'`\\$"

// Fault returns what keeps a value from being used in a shell, an env file or a curl configuration as it is, worded to
// follow the name of a parameter; "" if nothing does.
func Fault(value string) string {
	if strings.ContainsAny(value, quotes) {
		return "contains a quote, a backquote, a backslash or a $, which shells and header files would interpret"
	}
	return ""
}
