//! Progress of loads, imports and pulls, from the API's JSON messages.
