package api

import (
	"context"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Account is an opened config. It never changes, and all of it is safe for concurrent use.
type Account struct {
	// Creds serves creds/, and Signer sign/; nil for a path that this config does not serve. It serves one of them at
	// least.
	Creds  Creds
	Signer Signer
	// Login calls the API with the credentials; nil if the engine does not call it.
	Login Login
	// LoginAddress is where that goes, if the engine must not go where anyone writes; else the zero value.
	LoginAddress Address
	// Exclusive reports whether a login ends the token of the one before it, so that none is made without need.
	Exclusive bool
	// SendsSecret reports whether a login sends the secret itself and not a signature, so that a write of the secret must
	// not rely on a stored address.
	SendsSecret bool
	// Declared is for a config with a document; else nil.
	Declared Declared
	// MaxBatch is how many calls may be signed together, if that is fewer than for every account; else 0.
	MaxBatch int
}

// Address is a URL of a config. Field is the name of the field that it is written in.
type Address struct{ Field, URL string }

// Creds gives readers credentials.
type Creds interface {
	Creds(Moment) (Answer, error)
}

// Signer signs the calls that readers describe.
type Signer interface {
	// Inputs are what a reader can give.
	Inputs() []Input
	// Check says what is wrong with what a reader gives, before anything is asked of the API. The error is an InputError,
	// or an Invalid where it is about no single input.
	Check(Inputs) error
	// Sign signs a call whose inputs were checked. It may find more that is wrong with them.
	Sign(Moment, Inputs) (Answer, error)
}

// Login is how the engine calls an API.
type Login interface {
	// Login calls the API with the credentials, now: it gets a token or, for an API without a Lease, shows that the
	// credentials work. learned is the format that worked last, "" for none. A failure of the API is an *exchange.Error.
	Login(ctx context.Context, by Caller, learned string) (Report, error)
	// Refused says what to check when the API refuses the credentials.
	Refused() string
}

// Declared is what an account can say of its document.
type Declared interface {
	// CheckHidden makes sure that no secret is in what a read of the config returns.
	CheckHidden() error
	// CheckExamples makes sure that the document does what its examples say. It calls nobody.
	CheckExamples() error
	// Warnings are about values of the config that are probably a mistake; nil for none.
	Warnings() []string
}

// Caller is what a login makes its exchanges with.
type Caller struct {
	exchange.Client
	// Later is as in Moment.
	Later func(now time.Time, unit time.Duration) (time.Time, error)
	// NewID makes a UUID.
	NewID func() (string, error)
}

// Report is what a successful login found.
type Report struct {
	// Token is the zero value for an API without tokens.
	Token token.Token
	// Format is the one that worked; "" if there is no choice.
	Format string
	// Tried has what each format met that was tried, "accepted" or a status; nil if that is not known.
	Tried map[string]string
	// Warning is for who wrote the config or checks it; "" for none.
	Warning string
	// Status and Timing are those of the API's answer.
	Status int
	Timing exchange.Timing
}

// Inputs are what a reader gave, by name. One that was not given is not there.
type Inputs map[string]string

// Moment is what differs between two calls that are otherwise the same.
type Moment struct {
	// Context ends when nobody waits for the answer any more.
	Context context.Context
	Now     time.Time
	// Later is Now, or the first instant later than all that it returned before for this config, in a unit.
	Later func(unit time.Duration) (time.Time, error)
	// NewID makes a UUID.
	NewID func() (string, error)
	// Token is the shared token; the zero value for an API without tokens.
	Token token.Token
	// Format is the one that a login found; "" if none did, or there is no choice.
	Format string
}

// Answer is what a reader gets.
type Answer struct {
	// Headers are those of a call, by name; nil for none. No value is empty.
	Headers map[string]string
	// PerCall are the names of headers that a client must not use twice, in the answer of creds/.
	PerCall []string
	// Query are query parameters by name, not encoded; nil for none.
	Query map[string]string
	// Values are what a document names beside the call, and are not sent with it; nil for none.
	Values map[string]string
	// Fields are the others of the answer, a string each. The engine adds to them.
	Fields map[string]any
	// ExpiresAt is until when the answer is good.
	ExpiresAt time.Time
	// MaxLease is how long a lease of the answer lasts at most; 0 for as long as the token allows.
	MaxLease time.Duration
	// Refresh is after how many seconds a reader without a lease should read again; 0 if it is not told.
	Refresh int
}
