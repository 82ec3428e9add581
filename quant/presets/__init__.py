"""The shipped precision specs, one YAML file each; ``fxsim presets`` lists them."""
