package api

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Write is what someone wants to change in a config.
type Write struct {
	// Name is the config's.
	Name string
	Now  time.Time
	// Old is the config as it is stored, or New.
	Old        Values
	Parameters Parameters
	// Addresses are those that logins may go to.
	Addresses Addresses
}

// Addresses are those that a login may go to which must not go where anyone writes.
type Addresses interface {
	// CheckAddress says why it must not go to a URL, worded to follow the name of its field; "" if it may.
	CheckAddress(url string) (fault string)
}

// Parameters are what a write names.
type Parameters interface {
	// Given is what the write names for a field. null is a patch's wish for the default, which is the value then.
	Given(f Field) (value Value, null, given bool)
	// Check refuses what the write names if it is none of some fields', or of another type. It is called once they are
	// known.
	Check(fields []Field) error
}

// Change is a write that keeps every rule.
type Change struct {
	Next    Values
	Account *Account
	// Verify reports whether the credentials must be tried first.
	Verify bool
	// Relied says in words which stored values a write that contains a secret relies on: a base_url that is not the
	// vendor's own, a ca_cert. Someone else may have set them, to receive the secret. "" if there are none.
	Relied string
	// Outlived is a warning that new secrets leave the date of the old ones as it is; "" if they do not.
	Outlived string
	// Warnings are the others, about what may be a mistake.
	Warnings []string
}

// Apply makes a config of a stored one and what a write names. Every rule for configs is checked here, and nowhere
// else. An error says what is wrong with the write, or keeps the result from being used.
func (a *API) Apply(w Write) (Change, error) {
	begun, restarted, warning, err := a.begin(w)
	if err != nil {
		return Change{}, err
	}
	if err := w.Parameters.Check(begun.Fields()); err != nil {
		return Change{}, err
	}
	next, err := w.merge(begun, begun.Fields())
	if err != nil {
		return Change{}, err
	}
	if err := next.checkComplete(); err != nil {
		if restarted && w.Old.text(a.Document.Field) != "" {
			err = Invalidf("%s; a write that changes %s starts over, so it must contain every secret and "+
				"field", err, a.Document.Field.Name)
		}
		return Change{}, err
	}
	// Before anything that compares the stored secrets with what this write names: its answer would tell whether a guess
	// is right.
	if err := w.checkBound(next); err != nil {
		return Change{}, err
	}
	next = w.forget(next)
	account, err := next.form.Open(next)
	if err != nil {
		return Change{}, err
	}
	if err := w.checkAddress(next, account); err != nil {
		return Change{}, err
	}
	if err := w.checkDeclared(next, account); err != nil {
		return Change{}, err
	}
	change := Change{
		Next: next, Account: account, Verify: account.Login != nil && w.verifies(next), Warnings: w.blanks(next),
	}
	if warning != "" {
		change.Warnings = append(change.Warnings, warning)
	}
	if restarted || a.Document != nil && w.names(a.Document.Field) {
		change.Warnings = append(change.Warnings, next.form.Warnings()...)
	}
	if w.namesAccount(next) && account.Declared != nil {
		change.Warnings = append(change.Warnings, account.Declared.Warnings()...)
	}
	if w.namesSecret(next) {
		if next.Has(SecretWrittenAt) {
			change.Next = next.with(SecretWrittenAt, Value{Text: secret.Text(RFC3339(w.Now))})
		}
		change.Outlived = w.outlived(next)
		if change.Relied = w.relied(next); change.Relied != "" && account.SendsSecret {
			return Change{}, Invalidf("this write relies on %s; name it again in the same write, because the secret itself is "+
				"sent there", change.Relied)
		}
	}
	return change, nil
}

func (w Write) names(f Field) bool {
	_, _, given := w.Parameters.Given(f)
	return given
}

// namesSecret reports whether the write names one of a config's secrets.
func (w Write) namesSecret(next Values) bool {
	return slices.ContainsFunc(next.Fields(), func(f Field) bool { return f.Kind == Secret && w.names(f) })
}

// namesAccount reports whether the write names a field that decides what the config does.
func (w Write) namesAccount(next Values) bool {
	return slices.ContainsFunc(next.Fields(), func(f Field) bool { return f.Account && w.names(f) })
}

// begin is the config that a write changes: the one that is stored or, if the write changes the document, one that has
// nothing of the old document's. restarted reports which. The warning is about the document.
func (a *API) begin(w Write) (begun Values, restarted bool, warning string, err error) {
	if a.Document == nil {
		return w.Old, false, "", nil
	}
	document := a.Document.Field
	chosen, err := a.Document.choose(w)
	if err != nil {
		return Values{}, false, "", err
	}
	begun = w.Old
	if restarted = w.Old.text(document) != chosen.text; restarted {
		begun, chosen.warning = a.restart(w, chosen)
	}
	if problem := begun.form.Problem; problem != nil {
		return Values{}, false, "", Invalidf("%s%s", problem, a.Document.hint(chosen))
	}
	if outdated := begun.form.Outdated; outdated != nil && (restarted || w.names(document)) {
		return Values{}, false, "", Invalidf("%s%s", outdated, a.Document.hint(chosen))
	}
	return begun.withDocument(chosen), restarted, chosen.warning, nil
}

// restart is a config with another document. Fields that every document has keep their values. A default of the new
// document's own replaces them, except that an upgrade keeps what the config had in place of the old document's. The
// warning says what was replaced; "" for nothing.
func (a *API) restart(w Write, to choice) (begun Values, warning string) {
	begun = a.newValues(a.formOf(to.text))
	common, before := a.New(), a.newValues(w.Old.form)
	for _, f := range begun.Fields() {
		at := f.place()
		initial, isCommon := common.of[at]
		stored, has := w.Old.of[at]
		if !isCommon || !has {
			continue
		}
		changed := stored != before.of[at]
		switch {
		case begun.of[at] == initial, to.upgraded && changed:
			begun.of[at] = stored
		case changed && stored != begun.of[at] && !w.names(f):
			warning = fmt.Sprintf("%s is now that of the %s, %s, and no longer the config's own", f.Name,
				a.Document.Field.Name, begun.text(f))
		}
	}
	return begun, warning
}

// merge returns a config with what the write names for some of its fields, cleaned. What it names must keep the rules.
func (w Write) merge(v Values, fields []Field) (Values, error) {
	next := Values{v.api, v.form, maps.Clone(v.of)}
	for _, f := range fields {
		if f.Unstored || v.api.isDocument(f) { // begin has read the document
			continue
		}
		if value, null, given := w.Parameters.Given(f); given && !f.Learned {
			if f.isText() {
				text := value.Text.Reveal()
				// A patch's null takes a value away, which an optional field's rules need not allow.
				if err := f.check(text); err != nil && (!null || !f.OmitEmpty) {
					return Values{}, err
				}
				if f.Clean != nil {
					value.Text = secret.Text(f.Clean(text))
				}
			}
			if f.Kind == Seconds && (value.Seconds < f.Least || value.Seconds > f.Most) {
				return Values{}, Invalidf("%s must be from %ds to %ds", f.Name, f.Least, f.Most)
			}
			next.of[f.place()] = value
		}
		if f.FromName && next.text(f) == "" && slices.Contains(f.OneOf, w.Name) {
			next.of[f.place()] = Value{Text: secret.Text(w.Name)}
		}
	}
	return next, nil
}

// checkBound refuses to use a stored secret in a way that it was not given for: anyone who can change a config could
// otherwise send it to a host of their own.
func (w Write) checkBound(next Values) error {
	secrets := secretNames(next.Fields())
	if !slices.ContainsFunc(next.Fields(), func(f Field) bool { return f.Kind == Secret && !w.names(f) }) {
		return nil
	}
	for _, f := range next.Fields() {
		changes := w.Old.of[f.place()] != next.of[f.place()]
		if f.Kind == Certificates {
			changes = addsCertificate(w.Old.text(f), next.text(f))
		}
		if f.Bound && changes {
			return Invalidf("changing %s needs %s in the same write: the stored one was given for what %s was before",
				f.Name, strings.Join(secrets, " and "), f.Name)
		}
	}
	return nil
}

// checkAddress refuses a login that must not go where it would, if the write decides that. What is stored is for the
// login itself to check: the same rules hold there.
func (w Write) checkAddress(next Values, account *Account) error {
	i := slices.IndexFunc(next.Fields(), func(f Field) bool { return f.Name == account.LoginAddress.Field })
	if i < 0 {
		return nil
	}
	if f := next.Fields()[i]; !w.names(f) && w.Old.text(f) == next.text(f) {
		return nil
	}
	if fault := w.Addresses.CheckAddress(account.LoginAddress.URL); fault != "" {
		return Invalidf("%s %s", account.LoginAddress.Field, fault)
	}
	return nil
}

// checkDeclared makes sure that a document does what it says, and that a read returns no secret. The second is for
// writes that bring a value which a read returns, or a secret: a stored config was held to the rule of its time.
func (w Write) checkDeclared(next Values, account *Account) error {
	if account.Declared == nil {
		return nil
	}
	if w.namesAccount(next) {
		if err := account.Declared.CheckHidden(); err != nil {
			return err
		}
	}
	return account.Declared.CheckExamples()
}

// verifies reports whether the write tries the credentials first: if it wants that, or changes what a login uses.
func (w Write) verifies(next Values) bool {
	i := slices.IndexFunc(next.Fields(), func(f Field) bool { return f.Name == verifyName && f.Unstored })
	if i < 0 {
		return false
	}
	verify, null, given := w.Parameters.Given(next.Fields()[i])
	if !given {
		verify = next.Fields()[i].initial()
	}
	return verify.Flag && ((given && !null) || !w.Old.SameAccount(next))
}

// relied is what Change.Relied is, for a write that names a secret.
func (w Write) relied(next Values) string {
	var relied []string
	a := w.Old.api
	for _, f := range next.Fields() {
		stored := w.Old.text(f)
		_, null, named := w.Parameters.Given(f)
		if null && a.Document != nil && !w.names(a.Document.Field) {
			stored, named = next.text(f), false // a default of the stored document, which someone may have written
		}
		isAddress := f.Name == baseURLName || f.Address && f.OneOf == nil // a region is none
		isOwn := slices.Contains(a.OwnURLs, stored) || next.isOfCatalogue() && stored == f.Default
		if !isAddress || named || stored == "" || stored != next.text(f) || isOwn {
			continue
		}
		description := f.Name + " " + stored
		if a.OwnURLs != nil {
			description += ", which is not " + a.Title + "'s own"
		}
		relied = append(relied, description)
	}
	if stored := w.Old.text(CACert); stored != "" && !w.names(CACert) && stored == next.text(CACert) {
		relied = append(relied, CACert.Name)
	}
	if relied == nil {
		return ""
	}
	return "the stored " + strings.Join(relied, " and the stored ")
}

// outlived is what Change.Outlived is, for a write that names a secret.
func (w Write) outlived(next Values) string {
	expires := next.SecretDates().Expires
	if expires.IsZero() || w.names(SecretExpiresAt) {
		return ""
	}
	return SecretExpiresAt.Name + " is still " + RFC3339(expires) + "; if the new secret expires at another time, or " +
		"never, write that too"
}

// blanks warns of blanks at the ends of the credentials that the write names. They are kept, because a secret may have
// them, and are usually a mistake.
func (w Write) blanks(next Values) []string {
	var warnings []string
	for _, f := range next.Fields() {
		if (f.Kind != Secret && !f.Credential) || !w.names(f) {
			continue
		}
		text := next.text(f)
		before, after := len(text)-len(strings.TrimLeft(text, " ")), len(text)-len(strings.TrimRight(text, " "))
		if before+after > 0 {
			warnings = append(warnings, fmt.Sprintf("%s has blanks at its ends, %d before and %d after the rest; "+
				"they are part of it, so write it again if it should have none", f.Name, before, after))
		}
	}
	return warnings
}

// forget drops a detected format that belonged to another address, or to another choice.
func (w Write) forget(next Values) Values {
	format := next.api.Format
	if format == nil {
		return next
	}
	for _, f := range next.Fields() {
		if (f.Address || f.Name == format.Chosen.Name) && w.Old.of[f.place()] != next.of[f.place()] {
			return next.with(format.Detected, Value{})
		}
	}
	return next
}

// addsCertificate reports whether a PEM text contains a certificate that another does not.
func addsCertificate(before, after string) bool {
	old, _ := certificateBlocks(before)
	blocks, _ := certificateBlocks(after)
	return slices.ContainsFunc(blocks, func(der []byte) bool {
		return !slices.ContainsFunc(old, func(known []byte) bool { return bytes.Equal(der, known) })
	})
}
