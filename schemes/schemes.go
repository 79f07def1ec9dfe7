// Package schemes is the catalogue: schemes of many APIs, ready to use, as their texts. A file is named after the API's
// vendor, and after the way of signing where the vendor has several.
//
// The comment at the top of a file is its documentation: what it is for, the vendor's page, the commands that store a
// config and use it, what is signed, and what is not covered.
package schemes

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.yml
var files embed.FS

const suffix = ".yml"

// Names are those of all schemes, sorted.
func Names() []string {
	entries, _ := files.ReadDir(".") // which is in the program, so it can be read
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), suffix)
	}
	slices.Sort(names)
	return names
}

// Text is a scheme's; "" if there is none of that name.
func Text(name string) string {
	text, _ := files.ReadFile(name + suffix)
	return string(text)
}

// About is what the comment at the top of a scheme says.
type About struct {
	// Title is what the scheme is for.
	Title string
	// Documentation is the first URL.
	Documentation string
	// Write is the command that stores a config, and Use the one that signs or reads. Each is as it stands there, and can
	// have several lines.
	Write, Use string
}

// AboutOf reads the comment at the top of a scheme.
func AboutOf(text string) About {
	var about About
	var title, commands []string
	continued := false
	for line := range strings.Lines(text) {
		line, is := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "#")
		if !is {
			break
		}
		command, isCommand := strings.CutPrefix(line, "   ")
		line = strings.TrimSpace(line)
		switch {
		case isCommand && continued:
			commands[len(commands)-1] += "\n" + command
		case isCommand:
			commands = append(commands, command)
		case about.Documentation != "":
		case strings.HasPrefix(line, "https://"):
			about.Documentation, _, _ = strings.Cut(line, " ")
		default:
			title = append(title, line)
		}
		continued = isCommand && strings.HasSuffix(command, `\`)
	}
	about.Title = strings.TrimSuffix(strings.Join(title, " "), ".")
	about.Write = firstWith(commands, "/config/custom/")
	about.Use = firstWith(commands, "/sign/custom/", "/creds/custom/")
	return about
}

// firstWith is the first of some commands that has one of some texts in it.
func firstWith(commands []string, parts ...string) string {
	i := slices.IndexFunc(commands, func(command string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(command, part) })
	})
	if i < 0 {
		return ""
	}
	return commands[i]
}
