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

// asked is when operators asked for each path, from Vault's audit log.
func asked(t *testing.T, m *harness.Mount) map[string][]time.Time {
	t.Helper()
	asked := map[string][]time.Time{}
	for _, entry := range m.Server.AuditEntries(t) {
		operators := strings.Contains(entry.Auth.DisplayName, "serviceaccount") || entry.Request.Path == login
		if entry.Type == "response" && operators {
			asked[entry.Request.Path] = append(asked[entry.Request.Path], entry.Time)
		}
	}
	return asked
}

const login = "auth/kubernetes/login"

// checkAudit looks at what an operator asked for. While all was well it read each path at most so many times for each
// refresh. At no time did it ask again and again.
func checkAudit(t *testing.T, m *harness.Mount, well window, eachRefresh int, paths ...string) {
	t.Helper()
	const shortest = 15 * time.Second // from one refresh to the next
	asked := asked(t, m)
	for _, path := range paths {
		times := asked[path]
		require.NotEmpty(t, times, path)
		delete(asked, path)
		reads := len(slices.DeleteFunc(slices.Clone(times), func(at time.Time) bool { return !well.has(at) }))
		took := well.end.Sub(well.begin)
		t.Logf("%s: %d reads, %d of them in the %s while all was well, at most %d in 10s",
			path, len(times), reads, took.Round(time.Second), most(times))
		require.LessOrEqual(t, reads, eachRefresh*(int(took/shortest)+1), path)
		require.LessOrEqual(t, most(times), 3, path)
	}
	for path, times := range asked {
		t.Logf("%s: %d, at most %d in 10s", path, len(times), most(times))
		// Each resource that is deleted revokes its lease, all at the same time.
		require.LessOrEqual(t, most(times), max(4, len(paths)), path)
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
