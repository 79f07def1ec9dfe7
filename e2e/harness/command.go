package harness

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Command is exec.Command for programs that end with the tests: even if these are killed or run out of time, where the
// system can see to it.
func Command(name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(context.Background(), name, args...)
	command.SysProcAttr = endsWithParent()
	return command
}

// Run runs a command that succeeds and returns what it printed.
func Run(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, printed)
	return string(printed)
}

// Background runs a command until the test ends. What it prints is kept in a file, is shown if the test fails, and must
// contain none of the secrets.
func Background(t *testing.T, command *exec.Cmd, logFile string, secrets ...string) {
	t.Helper()
	log, err := os.Create(logFile)
	require.NoError(t, err)
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		_ = log.Close()
		content, err := os.ReadFile(logFile)
		require.NoError(t, err)
		for _, secret := range secrets {
			if strings.Contains(string(content), secret) {
				t.Fatal("a secret is in", logFile)
			}
		}
		if t.Failed() {
			t.Logf("%s", content)
		}
	})
}

// FirstLine starts a command that runs until the test ends, and returns the first line that it prints.
func FirstLine(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	printed, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(printed).ReadString('\n')
	require.NoError(t, err)
	return line
}

// GoBuild is the command that builds a package of this repository, as static as releases are (except with -race, which
// needs cgo).
func GoBuild(output, pkg string, flags ...string) *exec.Cmd {
	build := Command("go", slices.Concat([]string{"build", "-trimpath", "-o", output}, flags, []string{pkg})...)
	build.Dir = Path(".")
	build.Env = os.Environ()
	if !slices.Contains(flags, "-race") {
		build.Env = append(build.Env, "CGO_ENABLED=0")
	}
	return build
}

// repository is the folder above that contains this package: tests run in the folder of their package, and those of
// e2e/verifiers in a module of its own.
var repository = sync.OnceValue(func() string {
	for directory, _ := filepath.Abs("."); ; directory = filepath.Dir(directory) {
		if _, err := os.Stat(filepath.Join(directory, "e2e", "harness")); err == nil || directory == filepath.Dir(directory) {
			return directory
		}
	}
})

// Path is the absolute path of a file of this repository.
func Path(name string) string { return filepath.Join(repository(), name) }

// Eventually polls until a condition holds. It runs the condition in the test's own goroutine, since conditions may end
// the test.
func Eventually(t *testing.T, holds func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); <-time.After(20 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "waited for: %s", what)
	}
}
