package scheme

import (
	"errors"
	"net/http"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// LoginCall is the request that a login makes.
type LoginCall struct {
	Method string
	// URL is the address, the path and the query as they are sent. It may have secrets in it: never print it.
	URL    string
	Header http.Header
	// Body is nil for an empty one.
	Body []byte
}

// LoginAnswer is a vendor's answer of 2xx to a login.
type LoginAnswer struct {
	Header http.Header
	Body   []byte
	// At is when the request was sent.
	At time.Time
}

// Gives are what a login gave.
type Gives struct {
	// Values are by the names that the document has for them.
	Values map[string]secret.Text
	// Life is how long they can be used, counted from when the request was sent.
	Life time.Duration
}

// ErrLoginRefused is the error of an answer of 2xx that the document says is a refusal.
var ErrLoginRefused = errors.New("the vendor refused the login")

var errNoLogin = errors.New("the scheme has no login")

// HasLogin reports whether the scheme has a login.
func (s *Scheme) HasLogin() bool { return false }

// Exclusive reports whether a login ends what the one before it gave.
func (s *Scheme) Exclusive() bool { return false }

// LoginAddress is the address that the login goes to.
func (s *Signer) LoginAddress() string { return "" }

// Login makes the request of a login. Each attempt has one of its own.
func (s *Signer) Login(Moment) (LoginCall, error) { return LoginCall{}, errNoLogin }

// Read takes what a login gives from the answer. The error is ErrLoginRefused if the document says that the answer is a
// refusal; any other is about an answer that makes no sense. Neither quotes anything of the answer.
func (c LoginCall) Read(LoginAnswer) (Gives, error) { return Gives{}, errNoLogin }
