// stack_port: settings of a connection whose arguments are checked, and what is urgent. Included by stack_port.hpp.
#pragma once

#include "tcpco/stack/stack_port.hpp"
#include "tcpco/tcp/keep_alive.hpp"

namespace tcpco {

inline errc stack_port::set_keep_alive(connection_id id, const std::optional<keep_alive>& wanted) noexcept
{
    if (wanted && !is_valid(*wanted)) {
        return owned(id) == nullptr ? errc::bad_file_descriptor : errc::invalid_argument;
    }
    return change(id, [&](transmission_control_block& c) {
        static_cast<void>(use_keep_alive(c, wanted.value_or(keep_alive{})));
        c.keep_count = wanted ? c.keep_count : std::uint8_t{0};
        if (c.life == life_timer::keep_alive) {
            c.life = life_timer::none;  // armed anew when the change is settled
            c.life_at = time_point::never();
        }
    });
}

inline errc stack_port::set_dscp(connection_id id, std::uint8_t dscp) noexcept
{
    if (dscp > 63) {
        return owned(id) == nullptr ? errc::bad_file_descriptor : errc::invalid_argument;
    }
    return change(id, [dscp](transmission_control_block& c) { c.dscp = dscp & 63U; });
}

inline errc stack_port::set_user_timeout(connection_id id, duration limit) noexcept
{
    if (limit < duration{}) {
        return owned(id) == nullptr ? errc::bad_file_descriptor : errc::invalid_argument;
    }
    return change(id, [limit](transmission_control_block& c) {
        c.user_timeout = to_user_timeout(limit);
        c.uto_changeable = limit == duration{};  // RFC5482-3c
        if (const std::uint16_t advice = user_timeout_to_wire(limit); advice != 0 && c.rare->adv_uto != 0) {
            c.rare.make()->adv_uto = advice;  // it is there
            c.uto_owed = true;  // RFC5482-3b
        }
    });
}

inline errc stack_port::set_user_timeout_option(connection_id id, const std::optional<duration>& advice) noexcept
{
    const std::uint16_t wire = advice ? user_timeout_to_wire(*advice) : std::uint16_t{0};
    if (advice && wire == 0) {
        return owned(id) == nullptr ? errc::bad_file_descriptor : errc::invalid_argument;
    }
    if (transmission_control_block* c = owned(id); c != nullptr && wire != 0 && c->rare.make() == nullptr) {
        return errc::no_buffer_space;
    }
    return change(id, [wire](transmission_control_block& c) {
        if (rare_state* rare = c.rare.present()) {
            rare->adv_uto = wire;
        }
        c.uto_owed = wire != 0;
    });
}

inline errc stack_port::set_low_water(connection_id id, std::uint32_t octets) noexcept
{
    const errc changed = change(id, [octets](transmission_control_block& c) { c.low_water = octets; });
    if (changed == errc::ok && has_writing_room(*owned(id))) {
        owned(id)->events |= readiness::writable;  // a writer may have waited for the mark that was
        ready_.push_back(id.index);
    }
    return changed;
}

inline result<std::size_t> stack_port::write_urgent(connection_id id, std::span<const std::byte> octets) noexcept
{
    if (transmission_control_block* c = owned(id); c != nullptr && c->rare.make() == nullptr) {
        return {errc::no_buffer_space, 0};
    }
    const auto answer = write(id, octets);
    if (answer.value > 0) {
        static_cast<void>(change(id, mark_urgent));
    }
    return answer;
}

inline octet_count stack_port::urgent_ahead(connection_id id) const noexcept
{
    const transmission_control_block* c = owned(id);
    return c == nullptr ? 0 : tcpco::urgent_ahead(*c);
}

}  // namespace tcpco
