package proxy

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line may wait to be written, and logBuffer how many bytes of lines.
	logDelay  = 100 * time.Millisecond
	logBuffer = 64 << 10
)

// Log writes JSON lines: warnings and errors at once, other lines together, a tenth of a second later at most.
type Log struct {
	slog.Handler
	*lines
}

// NewLog makes a log.
func NewLog(out io.Writer) *Log {
	l := &lines{out: out}
	return &Log{slog.NewJSONHandler(l, nil), l}
}

// Handle writes a line.
func (l *Log) Handle(ctx context.Context, line slog.Record) error {
	err := l.Handler.Handle(ctx, line)
	if line.Level > slog.LevelInfo {
		l.Flush()
	}
	return err
}

// lines are those that wait.
type lines struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		time.AfterFunc(logDelay, l.Flush)
	}
	l.waiting = append(l.waiting, line...)
	if len(l.waiting) >= logBuffer {
		l.write()
	}
	return len(line), nil
}

// Flush writes the lines that wait.
func (l *lines) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
}

func (l *lines) write() {
	if len(l.waiting) > 0 {
		_, _ = l.out.Write(l.waiting) // nobody could be told
		l.waiting = l.waiting[:0]
	}
}
