# Headers, find_package(tcpco CONFIG) and pkg-config files. Nothing here depends on the machine, so all of it goes below
# share/, and all paths are relative: the installed tree can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(tcpco_config_dir "${CMAKE_INSTALL_DATADIR}/cmake/tcpco")
set(tcpco_pc_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

target_include_directories(tcpco_core INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
install(TARGETS tcpco_core tcpco EXPORT tcpcoTargets)
install(EXPORT tcpcoTargets NAMESPACE tcpco:: DESTINATION "${tcpco_config_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/tcpco" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/tcpco")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tcpcoConfig.cmake.in" "${PROJECT_BINARY_DIR}/tcpcoConfig.cmake"
  INSTALL_DESTINATION "${tcpco_config_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tcpcoConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/tcpcoConfig.cmake" "${PROJECT_BINARY_DIR}/tcpcoConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/tcpco_liburing.cmake" DESTINATION "${tcpco_config_dir}")

# From the directory of the .pc files to the headers; an absolute include directory stays absolute.
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_DATADIR}")
  set(tcpco_pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH tcpco_up "/${tcpco_pc_dir}" "/${CMAKE_INSTALL_INCLUDEDIR}")
  set(tcpco_pc_includedir "\${pcfiledir}/${tcpco_up}")
endif()
foreach(name IN ITEMS tcpco tcpco-core)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${tcpco_pc_dir}")
endforeach()
