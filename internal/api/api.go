// Package api is what an API is to the engine: the fields of its configs, the rules that a write of them keeps, and
// what an opened config can do. It knows nothing of Vault, and has no clock.
//
// A config goes one way. Its [Values] are those of declared fields. A write is applied to the stored ones by
// [API.Apply], which is the one place that checks a config; [Values.Open] makes an [Account] of them, which never
// changes; and the account logs in, and signs.
package api

// API is one kind of credentials that the engine keeps. It is not changed once it is made.
type API struct {
	// Name is the API's in paths and storage keys, so it is permanent.
	Name string
	// Title is the API's in texts.
	Title string
	// FirstWrite is what the first write of a config must name, for errors that say what to write.
	FirstWrite string
	// ConfigHelp is the help text of config/<vendor>/:name.
	ConfigHelp string
	// Form is that of every config or, with a Document, of those whose document is not known yet.
	Form Form
	// Document is for an API whose configs say in a document what else they have; else nil.
	Document *Document
	// Creds and Sign describe creds/<vendor>/:name and sign/<vendor>/:name; nil for a path that no config serves.
	Creds, Sign *Path
	// Calls reports whether the engine calls the API. Then each account has a Login or, with a Document, each whose
	// document wants one.
	Calls bool
	// Lease is how tokens are leased; nil for an API whose login gives none. The fields of a config with a Login have
	// MinTTL.
	Lease *Lease
	// Format is a choice among formats that a login can make; nil if there is none.
	Format *Format
	// OwnURLs are the base URLs of the vendor itself; nil if there are none.
	OwnURLs []string
}

// Form is the fields of a config, and how it is opened.
type Form struct {
	// Fields are in the order in which they are documented.
	Fields []Field
	// Open makes the account of values that have every required field. It is called once for a config in memory, and its
	// error, an Invalid, says what keeps the values from being used beyond what the fields declare.
	Open func(Values) (*Account, error)

	// The rest is for what a document says, and else zero.

	// Problem is why the document cannot be used; then the config has no fields of its own, and is not opened.
	Problem error
	// Outdated is why a write of the document would be refused, although it goes on working; nil if it would not.
	Outdated error
	// Readable is what a read of the config returns beside its fields.
	Readable map[string]any
	// Warnings are for a write of the document; nil for none.
	Warnings func() []string
}

// Document is how a config declares fields of its own, and what a reader gives.
type Document struct {
	// Field is the field that has the text.
	Field Field
	// Read makes a form of a text: of the fields that it declares, each in a group. The error says what is wrong with it.
	Read func(text string) (Form, error)
	// Login are the fields that the engine adds to a form whose configs log in. They are not of a document.
	Login []Field
	// Readable declares what Form.Readable has.
	Readable []Output
	// Catalogue has documents that a write can name.
	Catalogue *Catalogue
}

// isDocument reports whether a field is the one that has the document.
func (a *API) isDocument(f Field) bool {
	return a.Document != nil && f.place() == a.Document.Field.place()
}

// Path is what is particular to an API in one of its readers' paths.
type Path struct {
	Synopsis, Help string
	// Inputs are what a reader gives; nil if each config has its own, or none.
	Inputs []Input
	// Headers says what the headers of the answer are; "" if there are none.
	Headers string
	// Outputs are the fields of the answer, except headers, header_lines and those by which a reader refreshes.
	Outputs []Output
	// Refresh says in words when to read again, for an answer that is not leased and whose Refresh is set; else "".
	Refresh string
}

// Input is a text that a reader gives.
type Input struct {
	Name, Help string
}

// Output is a field of an answer.
type Output struct {
	Name, Help string
	Kind       OutputKind
	// Optional reports whether it can be absent.
	Optional bool
}

// OutputKind is what kind of value an output has.
type OutputKind int

// The kinds of outputs.
const (
	OutputText OutputKind = iota
	OutputTexts
	OutputMap
	OutputFlag
)

// Lease is how tokens are leased. Leases outlive upgrades, so it is permanent.
type Lease struct {
	// Type is in every lease.
	Type string
	// TokenID reports whether a lease says which token it is of: the first 32 hex digits of its SHA-256.
	TokenID bool
}

// Format is a field that chooses one of several formats or "auto", and the field where the engine keeps what auto
// found.
type Format struct{ Chosen, Detected Field }

// FormatAuto is the value of Format.Chosen that has a login find out.
const FormatAuto = "auto"
