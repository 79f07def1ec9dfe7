package proxy

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Lines are written together a moment later, and a warning at once, after those that it follows.
func TestLogWritesWarningsAtOnce(t *testing.T) {
	t.Parallel()
	out := &syncBuffer{}
	made := NewLog(out)
	log := slog.New(made)
	log.Info("first")
	eventually(t, func() bool { return strings.Contains(out.String(), `"msg":"first"`) }, "the first line")
	log.Info("second")
	log.Warn("third")
	require.Regexp(t, `(?s)"first".*\n.*"second".*\n.*"third".*\n$`, out.String())
	log.Info("fourth")
	made.Flush()
	require.Contains(t, out.String(), "fourth")
}

// A full disk costs the lines of that time, and no later ones. Lines do not wait for the delay if there are many.
func TestLogGoesOnAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	var failing failingOnce
	log := slog.New(NewLog(&failing))
	log.Warn(strings.Repeat("lost", logBuffer))
	log.Info(strings.Repeat("kept", logBuffer))
	require.NotContains(t, failing.String(), "lost")
	require.Contains(t, failing.String(), "kept")
}

// failingOnce fails in its first write.
type failingOnce struct {
	syncBuffer
	failed bool
}

func (f *failingOnce) Write(p []byte) (int, error) {
	if !f.failed {
		f.failed = true
		return 0, errors.New("no space left on device")
	}
	return f.syncBuffer.Write(p)
}
