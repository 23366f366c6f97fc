// Names with characters that the sources cannot spell.
// *FORMAT-OFF*
Q(/lib)
