package featuregates

import (
	"errors"

	"github.com/spf13/pflag"
	"k8s.io/component-base/featuregate"
)

// ErrVersion says that a version cannot be emulated: it is none, has more or less than major and minor, or is outside of [Oldest] to [Binary].
var ErrVersion = errors.New("cannot be emulated")

// Options are the flags that are about features. Fill in Gate, call AddFlags, parse, and call Complete.
type Options struct {
	// Gate is what Complete sets.
	Gate featuregate.MutableVersionedFeatureGate

	// What the command line says, until Complete.
	gates     []string
	emulation string
}

// AddFlags adds two flags:
//
//   - --feature-gates takes Name=true|false, several with commas between them, and may be given several times. Its help lists the gate's known features.
//   - --emulation-version takes major.minor, like 1.3, and nothing before or after it; an empty value is none. Without the flag, Binary is emulated, whatever the gate has
//     emulated before.
//
// The gate is closed then: a feature that is added later would be missing from the help. Parsing sets nothing in the gate: in what comes first
// on a command line, nobody knows yet what comes last.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	// TODO(kata): Close the gate; have pflag collect the values.
	panic("Options.AddFlags is not implemented")
}

// Complete sets the gate as the command line says, whatever the order of its flags. Call it after parsing, once.
//
// It returns ErrVersion, wrapped in an error that names the flag, for a version that cannot be emulated, and otherwise the gate's own errors, wrapped as well. After an error the
// gate is as it was, in all respects: a program that can go on, goes on with what it had.
func (o *Options) Complete() error {
	// TODO(kata): Which version? What does a copy of the gate say to all that? And then the gate itself.
	return errors.New("Options.Complete is not implemented")
}

// TODO(kata): Functions of your own, if you like.
