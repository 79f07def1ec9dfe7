package kubernetes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// window is a part of a test's time.
type window struct{ begin, end time.Time }

func (w window) has(at time.Time) bool { return !at.Before(w.begin) && !at.After(w.end) }

// checkAudit looks at what the operator asked for, in Vault's audit log. While all was well it read each path once for each refresh.
// At no time did it ask again and again.
func checkAudit(t *testing.T, m *harness.Mount, well window) {
	t.Helper()
	asked := map[string][]time.Time{}
	for _, entry := range m.Server.AuditEntries(t) {
		operators := strings.Contains(entry.Auth.DisplayName, "serviceaccount") || entry.Request.Path == "auth/kubernetes/login"
		if entry.Type == "response" && operators {
			asked[entry.Request.Path] = append(asked[entry.Request.Path], entry.Time)
		}
	}
	for path, shortest := range map[string]time.Duration{
		"apisig/creds/pave/main":     15 * time.Second,
		"apisig/creds/custom/orders": 15 * time.Second,
		"apisig/creds/avanan/us":     15 * time.Second,
		"apisig/creds/infinity/us":   15 * time.Second,
	} {
		times := asked[path]
		require.NotEmpty(t, times, path)
		delete(asked, path)
		reads := len(slices.DeleteFunc(slices.Clone(times), func(at time.Time) bool { return !well.has(at) }))
		took := well.end.Sub(well.begin)
		t.Logf("%s: %d reads, %d of them in the %s while all was well, at most %d in 10s", path, len(times), reads, took.Round(time.Second), most(times))
		require.LessOrEqual(t, reads, int(took/shortest)+1, path)
		require.LessOrEqual(t, most(times), 3, path)
	}
	for path, times := range asked {
		t.Logf("%s: %d", path, len(times))
		require.LessOrEqual(t, len(times), 8, path)
	}
}

// most is the largest number of requests within ten seconds.
func most(times []time.Time) (most int) {
	slices.SortFunc(times, time.Time.Compare)
	for first, last := 0, 0; last < len(times); last++ {
		for times[last].Sub(times[first]) > 10*time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
