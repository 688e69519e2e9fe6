// Package schema is given: as much of an API's schema as one needs to see whether a change of it breaks somebody.
package schema

import "fmt"

// Schema has the fields of a kind, by their path, as one release serves them.
type Schema map[string]Field

// Field is what one release says about a field.
type Field struct {
	// Type is the field's JSON type: string, integer, array, …
	Type string
	// Required: a request without the field is refused, unless there is a Default.
	Required bool
	// Default is what the server sets when a client sends nothing. "" is none.
	Default string
	// Values are the only ones that the server takes. None: it takes every value.
	Values []string
	// Open: clients were told, when the field was new, that more values may come, and what to do with one they do not know.
	Open bool
	// MaxLength is how long a value may be. 0: as long as one likes.
	MaxLength int
	// Immutable: the value stays what it was when the object was made.
	Immutable bool
}

// Rule is a promise that a change breaks.
type Rule string

// The rules, in the order in which they are reported for a field.
const (
	// Removed: the field is gone. A field that was renamed is gone.
	Removed Rule = "removed"
	// TypeChanged: it is of another type.
	TypeChanged Rule = "type changed"
	// BecameRequired: a request without it was taken, and now is refused. It was not there, or not required, or had a default; now it is
	// required, and there is no default that would help.
	BecameRequired Rule = "became required"
	// BecameOptional: it was required, and now is not, default or not. Whoever reads it counts on it.
	BecameOptional Rule = "became optional"
	// DefaultChanged: its default is another one, or is new, or is gone.
	DefaultChanged Rule = "default changed"
	// ValuesRemoved: a value that was taken is refused.
	ValuesRemoved Rule = "values removed"
	// ValuesAdded: a value that was refused is taken, and nobody was told that more may come.
	ValuesAdded Rule = "values added"
	// LimitLowered: a value may be less long than before.
	LimitLowered Rule = "limit lowered"
	// LimitRaised: a value may be longer than before.
	LimitRaised Rule = "limit raised"
	// BecameImmutable: what one could change, one cannot. The other way round no promise is broken.
	BecameImmutable Rule = "became immutable"
)

// Breach is one rule, broken by one field.
type Breach struct {
	Field string
	Rule  Rule
}

func (b Breach) String() string { return fmt.Sprintf("%s: %s", b.Field, b.Rule) }
