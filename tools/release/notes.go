package main

import (
	"fmt"
	"strings"
)

// notes are the release notes of a version: its section of the changelog. Sections have headings such as "## 1.2.3 —
// 2026-01-31".
func notes(changelog, version string) (string, error) {
	var section strings.Builder
	inside := false
	for line := range strings.Lines(changelog) {
		if heading, is := strings.CutPrefix(line, "## "); is {
			number, _, _ := strings.Cut(strings.TrimSpace(heading), " ")
			if inside = number == strings.TrimPrefix(version, "v"); inside {
				line = "# " + plugin + " " + heading
			}
		}
		if inside {
			section.WriteString(line)
		}
	}
	if section.Len() == 0 {
		return "", fmt.Errorf("CHANGELOG.md has no section %q", "## "+strings.TrimPrefix(version, "v"))
	}
	return strings.TrimRight(section.String(), "\n") + "\n", nil
}
