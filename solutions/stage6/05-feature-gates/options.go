package featuregates

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/version"
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
	// kata:begin Close the gate; have pflag collect the values.
	o.Gate.Close()
	fs.StringSliceVar(&o.gates, "feature-gates", nil,
		"Features to switch on or off, as Name=true|false. Known are:\n"+strings.Join(o.Gate.KnownFeatures(), "\n"))
	fs.StringVar(&o.emulation, "emulation-version", Binary.String(),
		fmt.Sprintf("The version to behave as, from %s to %s.", Oldest, Binary))
	// kata:end
}

// Complete sets the gate as the command line says, whatever the order of its flags. Call it after parsing, once.
//
// It returns ErrVersion, wrapped in an error that names the flag, for a version that cannot be emulated, and otherwise the gate's own errors, wrapped as well. After an error the
// gate is as it was, in all respects: a program that can go on, goes on with what it had.
func (o *Options) Complete() error {
	// kata:begin Which version? What does a copy of the gate say to all that? And then the gate itself.
	emulated, err := parseVersion(o.emulation)
	if err != nil {
		return err
	}
	// A gate that refuses a value remembers it nevertheless, and will refuse everything after it. A copy may.
	if err := apply(o.Gate.DeepCopy(), emulated, o.gates); err != nil {
		return err
	}
	return apply(o.Gate, emulated, o.gates)
	// kata:end
}

// kata:begin Functions of your own, if you like.
// kata:stub

// apply sets the version first: it decides which features there are, and which are locked.
func apply(gate featuregate.MutableVersionedFeatureGate, emulated *version.Version, gates []string) error {
	if err := gate.SetEmulationVersion(emulated); err != nil {
		return fmt.Errorf("emulate version %s: %w", emulated, err)
	}
	if err := gate.Set(strings.Join(gates, ",")); err != nil {
		return fmt.Errorf("--feature-gates: %w", err)
	}
	return nil
}

func parseVersion(s string) (*version.Version, error) {
	v, err := version.ParseGeneric(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--emulation-version: %q %w: %w", s, ErrVersion, err)
	case len(v.Components()) != 2 || v.String() != s: // ParseGeneric takes 1.3-alpha and v1.03, too
		return nil, fmt.Errorf("--emulation-version: %s %w: it must be major.minor", s, ErrVersion)
	case v.LessThan(Oldest) || v.GreaterThan(Binary):
		return nil, fmt.Errorf("--emulation-version: %s %w: it must be from %s to %s", s, ErrVersion, Oldest, Binary)
	}
	return v, nil
}

// kata:end
