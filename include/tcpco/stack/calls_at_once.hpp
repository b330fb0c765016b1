// stack_port: reads and writes that need nothing but a copy. Included by stack_port.hpp.
//
// Most small reads find their octets in the slot that the last one read from, and most small writes go behind the last
// one, into the same slot: no slot is taken or given back, and nobody is told. What is not so plain is left to read()
// and write(), which would have done the same to the connection.
#pragma once

#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

// Both are functions, not a part of the coroutine: what they read of its frame, which it has just written, goes through
// registers, and the compiler does not fetch two of these words as one, for which a processor has to wait.
[[gnu::noinline]] inline std::size_t stack_port::read_at_once(connection_id id, std::span<std::byte> out,
                                                              std::size_t least) noexcept
{
    transmission_control_block* c = owned(id);
    if (c == nullptr || c->reader != nullptr || c->receive.size() < least || out.empty()) {
        return 0;
    }
    if (!detail::is_short(out.size()) || !c->receive.read_first<true>(out)) {
        return read_what_is_there(*c, out);
    }
    c->read_since_ack = true;
    dirty_.push_back(id.index);
    return out.size();
}

[[gnu::noinline]] inline std::size_t stack_port::read_what_is_there(transmission_control_block& c,
                                                                    std::span<std::byte> out) noexcept
{
    c.read_since_ack = true;
    dirty_.push_back(c.self.index);
    return c.receive.read(out);
}

template <bool Short>
[[gnu::always_inline]] inline bool stack_port::write_behind(connection_id id,
                                                            std::span<const std::byte> octets) noexcept
{
    transmission_control_block* c = owned(id);
    if (c == nullptr || c->rare->writer != nullptr || octets.empty() || c->state != tcp_state::established ||
        c->error != errc::ok) {
        return false;
    }
    const auto size = static_cast<octet_count>(octets.size());
    const bool is_below = c->low_water == 0 || c->unsent() + size <= octet_count{c->low_water};
    const bool has_share = c->queued() + size <= reserve_share || large_->headroom() > 0;
    if (!is_below || !has_share || !c->send.append_behind<Short>(octets)) {
        return false;
    }
    dirty_.push_back(id.index);
    return true;
}

// Apart, as above: a function that may call memcpy() saves six registers for it.
[[gnu::noinline]] inline bool stack_port::write_at_once(connection_id id, std::span<const std::byte> octets) noexcept
{
    return detail::is_short(octets.size()) ? write_behind<true>(id, octets) : write_much_at_once(id, octets);
}

[[gnu::noinline]] inline bool stack_port::write_much_at_once(connection_id id,
                                                             std::span<const std::byte> octets) noexcept
{
    return write_behind<false>(id, octets);
}

}  // namespace tcpco
