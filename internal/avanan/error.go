package avanan

import (
	"fmt"
	"time"
)

// Kind says what sort of failure a handshake met.
type Kind int

// The kinds of failure.
const (
	// Refused: the vendor does not take the credentials (400, 401 or 403). Asking again changes nothing.
	Refused Kind = iota + 1
	// Limited: the vendor asks for fewer requests (429).
	Limited
	// Unavailable: no answer, or one with a status of 500 and above.
	Unavailable
	// Nonsense: an answer that no handshake gives: a redirect, a web page, an expired token.
	Nonsense
)

// Error is a handshake's failure. It holds nothing of the answer but its status and content type: no body, no other
// header, and no text of a lower layer, which may quote them.
type Error struct {
	Kind Kind
	// Status is the HTTP status of the answer, 0 where there was none.
	Status int
	// Host is the host and port that were asked.
	Host string
	// Reason says in words what happened.
	Reason string
	// RetryAfter is how long the vendor asks to wait, 0 where it does not say.
	RetryAfter time.Duration
}

// Error names the host, the reason, and the status where there was an answer.
func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("no answer from Avanan at %s: %s", e.Host, e.Reason)
	}
	return fmt.Sprintf("Avanan at %s answered the handshake with status %d: %s", e.Host, e.Status, e.Reason)
}
