package harness

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// AuditEntry is a line of Vault's audit log. Every request has one of the type request and one of the type response.
type AuditEntry struct {
	Time time.Time
	Type string
	Auth struct {
		DisplayName string `json:"display_name"`
	}
	Request struct {
		Operation, Path string
		Data            Values // whose values are hashed
	}
	Error string
}

// AuditEntries are the lines of the server's audit log so far.
func (v *Server) AuditEntries(t *testing.T) []AuditEntry {
	t.Helper()
	log, err := os.Open(v.auditFile())
	require.NoError(t, err)
	defer log.Close()
	var entries []AuditEntry
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var entry AuditEntry
		require.NoError(t, json.Unmarshal(lines.Bytes(), &entry))
		entries = append(entries, entry)
	}
	require.NoError(t, lines.Err())
	return entries
}
