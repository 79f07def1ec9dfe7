package backend

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// madeUp is another API, as docs/adding-a-vendor.md describes one. A login with a user and a password gives a token for
// half an hour. A call is signed by its method, its request string and the hash of its body: an HMAC-SHA256, keyed with
// the password, of the token and the three, a line each.
func madeUp() *api.API {
	return &api.API{
		Name:       "madeup",
		Title:      "Made-up",
		FirstWrite: "user=... password=-",
		ConfigHelp: "Stores a login.",
		Form: api.Form{
			Fields: []api.Field{
				madeUpUser, madeUpPassword, madeUpBaseURL, api.CACert, api.MinTTL, madeUpTimeout, api.SecretExpiresAt,
				api.SecretWrittenAt, api.Verify(true, "Whether a write logs in first."),
			},
			Open: openMadeUp,
		},
		Calls: true,
		Lease: &api.Lease{Type: "madeup_token"},
		Creds: &api.Path{
			Synopsis: "Get a token.",
			Help:     "Returns a token.",
			Headers:  "The one header.",
			Outputs:  []api.Output{{Name: "expires_at", Help: "When it ends."}},
		},
		Sign: &api.Path{
			Synopsis: "Sign a call.",
			Help:     "Returns a header.",
			Headers:  "The two headers.",
			Inputs:   madeUpInputs,
			Outputs: []api.Output{
				{Name: "url", Help: "Where to send the call."},
				{Name: "expires_at", Help: "When the token ends."},
			},
		},
	}
}

var (
	madeUpUser     = api.Public("user", "Who logs in.")
	madeUpPassword = api.SecretField("password", "What proves it.")
	madeUpBaseURL  = madeUpAddress()
	madeUpTimeout  = api.RequestTimeout("How long a login may take.")

	madeUpInputs = []api.Input{
		{Name: "method", Help: "Method of the call."},
		{Name: "request_string", Help: "Path and query of the call."},
		{Name: "body_sha256", Help: "SHA-256 of the body, lower-case hex."},
	}
)

// madeUpAddress is the address, which has no default.
func madeUpAddress() api.Field {
	f := api.BaseURL("Where to log in.")
	f.Required = true
	return f
}

// madeUpAccount is an opened config.
type madeUpAccount struct {
	user, baseURL, caCert string
	password              secret.Text
	timeout               time.Duration
}

func openMadeUp(v api.Values) (*api.Account, error) {
	a := madeUpAccount{
		user:     v.Text(madeUpUser),
		password: v.Secret(madeUpPassword),
		baseURL:  v.Text(madeUpBaseURL),
		caCert:   v.Text(api.CACert),
		timeout:  v.Seconds(madeUpTimeout),
	}
	return &api.Account{Creds: a, Signer: a, Login: a, SendsSecret: true}, nil
}

// Login sends the user and the password.
func (a madeUpAccount) Login(ctx context.Context, by api.Caller, _ string) (api.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	answer, err := by.Do(ctx, exchange.Request{
		CACert: a.caCert,
		Make: func(time.Time) (exchange.Attempt, error) {
			header := http.Header{"User": {a.user}, "Password": {a.password.Reveal()}}
			return exchange.Attempt{Method: http.MethodPost, URL: a.baseURL + "/login", Header: header}, nil
		},
	})
	if err != nil {
		return api.Report{}, err
	}
	if string(answer.Body) == "wrong password" { // a refusal with status 200
		return api.Report{}, answer.Refused()
	}
	if !token.IsText(string(answer.Body)) {
		return api.Report{}, answer.Nonsense("the body is not a token")
	}
	got := token.Token{
		Value: secret.Text(answer.Body), AskedAt: answer.Asked, ExpiresAt: answer.Asked.Add(30 * time.Minute),
	}
	return api.Report{Token: got, Status: answer.Status, Timing: answer.Timing}, nil
}

func (a madeUpAccount) Refused() string { return "check user and password" }

func (a madeUpAccount) Creds(m api.Moment) (api.Answer, error) {
	return api.Answer{
		Headers:   map[string]string{"Authorization": "Bearer " + m.Token.Value.Reveal()},
		ExpiresAt: m.Token.ExpiresAt,
	}, nil
}

func (a madeUpAccount) Inputs() []api.Input { return madeUpInputs }

// Check checks what a call is, before a login.
func (a madeUpAccount) Check(given api.Inputs) error {
	for _, input := range madeUpInputs {
		if given[input.Name] == "" {
			return &api.InputError{Input: input.Name, Fault: "is required"}
		}
	}
	if strings.ToUpper(given["method"]) != given["method"] {
		return &api.InputError{Input: "method", Fault: "must be upper case"}
	}
	if !strings.HasPrefix(given["request_string"], "/") {
		return &api.InputError{Input: "request_string", Fault: "does not start with /"}
	}
	return nil
}

func (a madeUpAccount) Sign(m api.Moment, given api.Inputs) (api.Answer, error) {
	mac := hmac.New(sha256.New, []byte(a.password.Reveal()))
	mac.Write([]byte(strings.Join([]string{
		m.Token.Value.Reveal(), given["method"], given["request_string"], given["body_sha256"],
	}, "\n")))
	return api.Answer{
		Headers: map[string]string{
			"Authorization": "Bearer " + m.Token.Value.Reveal(),
			"Signature":     hex.EncodeToString(mac.Sum(nil)),
		},
		Fields:    map[string]any{"url": a.baseURL + given["request_string"]},
		ExpiresAt: m.Token.ExpiresAt,
	}, nil
}
