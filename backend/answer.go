package backend

import (
	"slices"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// perCallField is the field of an answer that names the headers which a client must not use twice.
const perCallField = "per_call_headers"

// answerData is an answer as Vault returns it. Headers are a map, and text too, which gives consumers that read one
// field per request a consistent set of headers, and is what curl -H @- reads.
func answerData(a api.Answer, now time.Time) map[string]any {
	data := make(map[string]any, len(a.Texts)+7)
	for name, text := range a.Texts {
		data[name] = text
	}
	if !a.ExpiresAt.IsZero() {
		data["expires_at"] = api.RFC3339(a.ExpiresAt)
	}
	if a.Query != nil {
		data["query"] = a.Query
	}
	if a.Headers != nil {
		data["headers"], data["header_lines"] = a.Headers, headerLines(a.Headers)
	}
	if a.Refresh > 0 {
		data["ttl"], data["rotation_period"] = a.Refresh, a.Refresh
		data["last_vault_rotation"] = now.UTC().Format(time.RFC3339Nano)
	}
	return data
}

// headerLines are headers as text, sorted by name.
func headerLines(headers map[string]string) string {
	names, size := make([]string, 0, len(headers)), 0
	for name, value := range headers {
		names = append(names, name)
		size += len(name) + len(value) + len(": \n")
	}
	slices.Sort(names)
	var lines strings.Builder
	lines.Grow(size)
	for _, name := range names {
		lines.WriteString(name)
		lines.WriteString(": ")
		lines.WriteString(headers[name])
		lines.WriteByte('\n')
	}
	return lines.String()
}
