package avanan

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	authPath = "/v1.0/auth"
	// maxAnswer is how much of an answer is read, its headers and its body each, in bytes; a JWT has about a thousand.
	maxAnswer = 64 << 10
	// A failed attempt is repeated twice, after a pause that doubles.
	maxRetries   = 2
	firstPause   = 250 * time.Millisecond
	longestPause = 2 * time.Second
)

// Account is all that decides what a handshake sends, and where. Two that are equal give JWTs that serve alike.
type Account struct {
	Credentials
	// BaseURL is the API's address, without a slash at its end.
	BaseURL string
	// DateFormat is how x-av-date is written; with Auto the handshake finds out.
	DateFormat DateFormat
	// CACert is PEM with roots to trust beside the system's, or "".
	CACert string
}

// Client does handshakes. It keeps nothing from one to the next; both fields are required.
type Client struct {
	// Now is the clock that dates requests and tokens.
	Now func() time.Time
	// NewID makes the UUID of a request.
	NewID func() (string, error)
}

// Handshake asks for a JWT. The context must have a deadline, which holds for all of it, retries included. Network
// errors, 429 (after its Retry-After, where that lies before the deadline) and 5xx are tried again; no redirect is
// followed; the proxy variables of the environment hold.
//
// With the format Auto it tries first what first says, which is the format that worked last, or where that is "" the
// documented Zulu; and where the answer is 500 or 400, the other one: working clients report a 500 for any date with a Z,
// and a wrong date may well be called a bad request. Otherwise first means nothing.
//
// A failure to get a JWT is an *Error. Any other error is a fault on this side: an unusable CACert or base URL, or no
// randomness for an id.
func (c Client) Handshake(ctx context.Context, account Account, first DateFormat) (Token, error) {
	if account.DateFormat != Auto {
		return c.handshake(ctx, account, retried)
	}
	other := Zoneless
	if account.DateFormat = Zulu; first == Zoneless {
		account.DateFormat, other = Zoneless, Zulu
	}
	token, err := c.handshake(ctx, account, func(status int) bool {
		return status != http.StatusInternalServerError && retried(status)
	})
	failure, isVendors := errors.AsType[*Error](err)
	if !isVendors || (failure.Status != http.StatusInternalServerError && failure.Status != http.StatusBadRequest) {
		return token, err
	}
	account.DateFormat = other
	token, err = c.handshake(ctx, account, retried)
	if second, _ := errors.AsType[*Error](err); second != nil && second.Kind == Unavailable && failure.Kind == Refused {
		return Token{}, failure
	}
	return token, err
}

// retried says which statuses are worth another attempt.
func retried(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// handshake is one in a given date format.
func (c Client) handshake(ctx context.Context, account Account, retry func(status int) bool) (Token, error) {
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, account.BaseURL+authPath, nil)
	if err != nil {
		return Token{}, errors.New("the base URL can not be used")
	}
	attempt := attempt{client: c, account: account, host: request.URL.Host, retry: retry}
	if err := attempt.sign(request.Request); err != nil {
		return Token{}, err
	}
	transport, err := newTransport(account.CACert)
	if err != nil {
		return Token{}, err
	}
	defer transport.CloseIdleConnections()
	client := retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     maxRetries,
		RetryWaitMin: firstPause,
		RetryWaitMax: longestPause,
		CheckRetry:   attempt.checkRetry,
		Backoff:      retryablehttp.DefaultBackoff,
		PrepareRetry: attempt.sign,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	response, err := client.Do(request)
	if response != nil {
		defer response.Body.Close()
	}
	switch {
	case attempt.failure != nil:
		return Token{}, attempt.failure
	case err != nil:
		return Token{}, fmt.Errorf("the handshake could not be sent: %w", err)
	default:
		return attempt.token, nil
	}
}

// newTransport makes the connection of one handshake; an hour lies between two, so none is kept.
func newTransport(caCert string) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if caCert != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM([]byte(caCert)) {
			return nil, errors.New("ca_cert holds no certificate")
		}
		tlsConfig.RootCAs = roots
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{}).DialContext,
		TLSClientConfig:        tlsConfig,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswer,
	}, nil
}

// attempt is the state of one handshake over its attempts; each overwrites what the one before it left.
type attempt struct {
	client  Client
	account Account
	host    string
	retry   func(status int) bool

	asked   time.Time
	token   Token
	failure *Error
}

// sign gives a request its headers: each attempt has an id and a date of its own, lest a retry look like a replay.
func (a *attempt) sign(request *http.Request) error {
	id, err := a.client.NewID()
	if err != nil {
		return fmt.Errorf("making a request id: %w", err)
	}
	a.asked = a.client.Now()
	call := Call{ReqID: id, Date: a.account.DateFormat.Date(a.asked)}
	request.Header = http.Header{} // the transport may still be sending the one of the attempt before
	for name, value := range a.account.Headers(call) {
		request.Header.Set(name, value)
	}
	return nil
}

// checkRetry is asked after each attempt, with what the transport returned. It reads the answer too, so that one that
// breaks off is repeated.
func (a *attempt) checkRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if err == nil && response.StatusCode == http.StatusOK {
		if err = a.read(response); err == nil {
			return false, nil
		}
	}
	if err != nil {
		reason, again := explain(err)
		a.failure = &Error{Kind: Unavailable, Host: a.host, Reason: reason}
		return again && ctx.Err() == nil, nil
	}
	a.failure = a.judge(response)
	if !a.retry(response.StatusCode) {
		return false, nil
	}
	pause := retryablehttp.DefaultBackoff(firstPause, longestPause, 0, response)
	deadline, limited := ctx.Deadline()
	withinReach := pause >= 0 && (!limited || time.Until(deadline) > pause)
	return withinReach, nil
}

// judge makes an error of an answer that is no 200.
func (a *attempt) judge(response *http.Response) *Error {
	failure := &Error{Status: response.StatusCode, Host: a.host}
	switch status := response.StatusCode; {
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		failure.Kind, failure.Reason = Refused, "it refuses the credentials"
	case status == http.StatusTooManyRequests:
		failure.Kind, failure.Reason = Limited, "it asks for fewer requests"
		failure.RetryAfter = max(0, retryablehttp.DefaultBackoff(0, 0, 0, response))
	case status == http.StatusInternalServerError:
		failure.Kind, failure.Reason = Unavailable, "it is out of order, or does not take this date_format"
	case status > http.StatusInternalServerError:
		failure.Kind, failure.Reason = Unavailable, "it is out of order"
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		failure.Kind, failure.Reason = Nonsense, "a redirect, which is not followed"
	default:
		failure.Kind, failure.Reason = Nonsense, "not what a handshake gives"
	}
	return failure
}

// read takes the token, or the failure to find one, from an answer. Its error is the network's.
func (a *attempt) read(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("more than %d KiB", maxAnswer>>10)
	if len(body) <= maxAnswer {
		a.token, reason = parseToken(string(body), a.asked)
		a.token.DateFormat = a.account.DateFormat
	}
	a.failure = nil
	if reason != "" {
		a.failure = &Error{
			Kind: Nonsense, Status: response.StatusCode, Host: a.host,
			Reason: reason + " (content type " + contentType(response) + ")",
		}
	}
	return nil
}

// contentType names the media types that an answer may be expected to have; a header's text is the vendor's.
func contentType(response *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return "unknown"
	case mediaType == "text/html", mediaType == "text/plain", mediaType == "application/json", mediaType == "application/jwt":
		return mediaType
	default:
		return "other"
	}
}

// explain words an error of the transport by its type and says whether another attempt may fare better. It never quotes
// the error: some repeat what the other side sent.
func explain(err error) (reason string, again bool) {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "TLS: its certificate is not trusted, has expired or is for another name (ca_cert adds a root)", false
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, http.ErrSchemeMismatch) {
		return "TLS: it does not speak it", false
	}
	if dns, is := errors.AsType[*net.DNSError](err); is {
		return "DNS: its name could not be resolved", !dns.IsNotFound
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took longer than request_timeout", false
	}
	if errors.Is(err, context.Canceled) {
		return "the request was given up", false
	}
	if operation, is := errors.AsType[*net.OpError](err); is {
		switch operation.Op {
		case "dial":
			return "the connection could not be made", true
		case "proxyconnect":
			return "the proxy could not be reached", true
		case "remote error", "local error":
			// What crypto/tls calls an alert of the other side's, or of this one's (crypto/tls, conn.go).
			return "TLS: the two sides could not agree (1.2 is the least)", false
		}
	}
	if _, is := errors.AsType[*url.Error](err); is {
		return "the connection broke, or it does not speak HTTP", true
	}
	return "the connection broke", true
}
