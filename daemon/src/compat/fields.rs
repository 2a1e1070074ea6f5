//! The table of the API's fields of Config, HostConfig (with Resources) and NetworkingConfig.
