//! The diamond, signers, nonces, attempts, sending and watching; never knows HTTP front ends or tables that are not its own.
