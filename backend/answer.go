package backend

import (
	"slices"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// perCallField is the field of an answer that names the headers which a client must not use twice.
const perCallField = "per_call_headers"

// noPerCall is what an answer says whose headers can all be used again.
var noPerCall any = []string{}

// answerData is an answer as Vault returns it. Headers are a map, and text too, which gives consumers that read one
// field per request a consistent set of headers, and is what curl -H @- reads.
func answerData(a api.Answer, now time.Time) map[string]any {
	data := a.Fields
	if data == nil {
		data = map[string]any{}
	}
	if !a.ExpiresAt.IsZero() {
		data["expires_at"] = api.RFC3339(a.ExpiresAt)
	}
	if a.Query != nil {
		data["query"] = a.Query
	}
	if a.Values != nil {
		data["values"] = a.Values
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

// answerSize is how many bytes an answer has as JSON, at most, apart from what only creds/ has.
func answerSize(a api.Answer) int {
	const perField = len(`"header_lines":"",`)
	size := 10 * perField
	for name, value := range a.Headers {
		size += 2 * (perField + jsonSize(name) + jsonSize(value))
	}
	for _, values := range []map[string]string{a.Query, a.Values} {
		for name, value := range values {
			size += perField + jsonSize(name) + jsonSize(value)
		}
	}
	for _, value := range a.Fields {
		if text, is := value.(string); is {
			size += jsonSize(text)
		}
	}
	return size
}

// jsonSize is how many bytes a text has as JSON, at most.
func jsonSize(text string) int {
	size := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"', c == '\\':
			size++
		case c < ' ', c == '<', c == '>', c == '&', c > '~':
			size += len(`\u0026`) - 1
		}
	}
	return size
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
